// kill -9 at random moments, of the device and of the server: everything drains by itself, nothing is lost, little is sent twice.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import {
  type Ended,
  enrol,
  kill,
  mailferry,
  mailferryOk,
  type RunningServer,
  startServer,
  stop,
} from '../support/mailferry.ts';
import { seededRandom } from '../support/random.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPackBytes } from '../support/vault-packs.ts';

const MIB = 1_048_576;
const KILLS = 30;
/** Commits and headers of the many attempts; measured below 400 kB for all of them. */
const TALK = MIB;

describe('kill -9', () => {
  test(`of the device at ${KILLS} random moments`, async () => {
    const root = tempDir();
    const random = seededRandom(11);
    const data = join(root, 'data');
    const state = join(root, 'state');
    const source = join(root, 'mail.pst');
    const server = await startServer(data);
    const proxy = await ChaosProxy.start(server.port);
    await enrol(data, proxy.url, state);
    makeMailFile(source, 100 * MIB, 3);
    let kills = 0;
    const sums = new Map<string, string>();
    for (let day = 0; kills < KILLS; day++) {
      if (day > 0) changeMailFile(source, 4_000, day);
      const content = await sha256Of(source);
      for (;;) {
        const running = mailferry(
          'backup',
          source,
          '--wait',
          '--snapshot',
          'live',
          '--state',
          state,
          '--json',
        );
        const outcome = await Promise.race([running.ended, pause(150 + random() * 1_200)]);
        if (!outcome) {
          await kill(running);
          kills++;
        } else {
          expect(outcome.stderr).toBe('');
          expect(outcome.code).toBe(0);
          break;
        }
        if (kills >= KILLS) break;
      }
      sums.set(content, 'expected');
    }
    const last = await mailferryOk(
      'backup',
      source,
      '--wait',
      '--snapshot',
      'live',
      '--state',
      state,
      '--json',
    );
    expect(last.json.failed).toEqual([]);
    await everyVersionRestores(state, root, new Set(sums.keys()));
    expect(readdirSync(join(state, 'staging'))).toEqual([]);
    const sent = vaultPackBytes(data);
    expect(proxy.counted.up - sent).toBeLessThan(KILLS * MIB + TALK);
    await stop(server);
    await proxy.close();
  }, 300_000);

  test(`of the server at ${KILLS} random moments`, async () => {
    const root = tempDir();
    const random = seededRandom(12);
    const data = join(root, 'data');
    const state = join(root, 'state');
    const source = join(root, 'mail.pst');
    let server: RunningServer = await startServer(data);
    const proxy = await ChaosProxy.start(server.port);
    await enrol(data, proxy.url, state);
    makeMailFile(source, 100 * MIB, 4);
    const sums = new Set<string>();
    for (let kills = 0, day = 0; kills < KILLS; day++) {
      if (day > 0) changeMailFile(source, 4_000, 100 + day);
      sums.add(await sha256Of(source));
      let ended: Ended | undefined;
      const running = mailferry('backup', source, '--wait', '--snapshot', 'live', '--state', state, '--json');
      void running.ended.then((value) => {
        ended = value;
      });
      while (!ended) {
        await pause(150 + random() * 900);
        if (ended || kills >= KILLS) {
          await pause(50);
          continue;
        }
        await kill(server);
        kills++;
        server = await startServer(data, server.port);
      }
      expect(ended.code).toBe(0);
      expect(ended.json.versions).toHaveLength(1);
    }
    await everyVersionRestores(state, root, sums);
    expect(readdirSync(join(state, 'staging'))).toEqual([]);
    const sent = vaultPackBytes(data);
    expect(proxy.counted.up - sent).toBeLessThan(KILLS * MIB + TALK);
    await stop(server);
    await proxy.close();
  }, 300_000);
});

/** Restores every version there is and compares; each must be one of the contents the source had. */
async function everyVersionRestores(state: string, root: string, sums: ReadonlySet<string>): Promise<void> {
  const { json } = await mailferryOk('versions', '--state', state, '--json');
  expect(json.versions.length).toBeGreaterThan(0);
  for (const { id, path, sha256 } of json.versions) {
    const to = join(root, `restored-${id}`);
    await mailferryOk('restore', path, '--version', id, '--to', to, '--state', state);
    expect(await sha256Of(to)).toBe(sha256);
    expect(sums).toContain(sha256);
  }
}
