// A slice of the attack that test/hostile/main.ts runs in full: everything is refused, typed, and nothing has changed.
import { describe, expect, it } from 'vitest';
import { mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Attack, attack, residentBytes } from './attack.ts';
import { chanceOf } from './chance.ts';
import { costlyRequest } from './costly.ts';
import { hostilePack } from './packs.ts';
import { hostileRequest, KINDS, wrongAnswer } from './requests.ts';
import { openSlow } from './slow.ts';
import { stateDigest } from './state-digest.ts';
import { bearer, prepare, send } from './target.ts';

const SEED = 'slice';
/** What the server bears of a connection that moves nothing. */
const STALL_MS = 8_000;
/** Bytes that the memory of a server under attack may grow by, over what it was after a warm-up. */
const MOST_GROWTH = 64 * 1_048_576;

describe('an attack', () => {
  it('of each kind of request, of packs and of slow connections is refused and changes nothing', async () => {
    const data = tempDir();
    const server = await startServer(data, 0, '--stall', `${STALL_MS / 1_000}s`);
    const target = await prepare(server.url, async () => {
      const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
      return json.token as string;
    });
    const before = stateDigest(data, target.working.device);
    // As a server is that has worked: what it needs once is there.
    await attack(target, { seed: SEED, what: 'packs', from: 1e9, to: 1e9 + 60, atOnce: 4 }, hostilePack);
    const memory = residentBytes(server.pid);
    const slow = openSlow(target, { count: 40, stallMs: STALL_MS, chance: chanceOf(SEED, 'slow', 0) });
    for (const [name, kind] of Object.entries(KINDS)) {
      const told = await kind(target, chanceOf(SEED, name, 0));
      if (typeof told !== 'string') expect([name, wrongAnswer(told)]).toEqual([name, null]);
    }
    const requests: Attack = { seed: SEED, what: 'requests', from: 0, to: 600, atOnce: 4 };
    expect((await attack(target, requests, hostileRequest)).wrong).toEqual([]);
    const packs: Attack = { seed: SEED, what: 'packs', from: 0, to: 60, atOnce: 4 };
    expect((await attack(target, packs, hostilePack)).wrong).toEqual([]);
    const costly: Attack = { seed: SEED, what: 'costly', from: 0, to: 150, atOnce: 4 };
    expect((await attack(target, costly, costlyRequest)).wrong).toEqual([]);
    const healthy = await send(target, {
      method: 'GET',
      path: '/v1/versions',
      headers: bearer(target.healthy.credential),
    });
    expect(healthy.status).toBe(200);
    await expect.poll(() => slow.neverCut(), { timeout: 60_000 }).toEqual([]);
    expect(Object.values(slow.ends()).map(({ borne }) => borne)).toEqual([0, 0, 0, 0]);
    slow.close();
    await expect.poll(() => stateDigest(data, target.working.device)).toBe(before);
    if (memory !== null) expect(residentBytes(server.pid)! - memory).toBeLessThan(MOST_GROWTH);
    await stop(server);
  }, 180_000);

  it('can be made again from its seed: the same number is the same thing', async () => {
    const [a, b] = [0, 1].map(() => chanceOf('7', 'requests', 3).bytes(1_000));
    expect(a!.equals(b!)).toBe(true);
    expect(chanceOf('7', 'requests', 4).bytes(1_000).equals(a!)).toBe(false);
  });

  it('is told from what is not refused', () => {
    const problem = { status: 404, type: 'application/problem+json', text: '{"code":"not_found"}' };
    expect(wrongAnswer(problem)).toBeNull();
    for (const wrong of [
      { status: 200 },
      { status: 500 },
      { status: 0 },
      { type: 'text/html' },
      { text: '{"code":"x"}' },
    ]) {
      expect(wrongAnswer({ ...problem, ...wrong })).not.toBeNull();
    }
  });
});
