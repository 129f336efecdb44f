// What a store that changes every few minutes comes to after some months: every answer is whole, and each costs what is in it.
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VersionSummary } from '../../shared/protocol.ts';
import { buildPack } from '../server/support/build-pack.ts';
import { commitOf, DeviceClient } from '../server/support/device-client.ts';
import { mailferry, mailferryOk, type RunningServer, serverAndDevice, stop } from '../support/mailferry.ts';

/** A check every 15 minutes of office days reaches 1,000 in a month. */
const VERSIONS = 10_100;
const BYTES = 8;
/** What the issue allows a request for a list: ms, and bytes. */
const MOST_MS = 100;
const MOST_BYTES = 2_097_152;
/** What is measured may wait for another process: the best of so many counts. */
const TRIES = 5;

const BUSY = '/home/a/busy.pst';
const ONCE = '/home/a/once.pst';
const KEPT = Buffer.from('the only state of a store that never changes');

const contentOf = (number: number) => Buffer.from(String(number).padStart(BYTES, '0'));

let server: RunningServer;
let state: string;
let client: DeviceClient;
let root: string;
const made: VersionSummary[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  ({ server, state } = await serverAndDevice(root));
  const identity = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  client = new DeviceClient(() => server.url, identity.device, identity.credential, identity.receiptKey);
  const once = buildPack([KEPT]);
  await client.sendPack(once);
  const onceRuns = [{ at: 0, length: KEPT.length, pack: once.id, offset: 0 }];
  await client.putVersion(randomUUID(), commitOf(KEPT, null, onceRuns, [0], { path: ONCE, kind: 'pst' }));
  const all = buildPack([Buffer.concat(Array.from({ length: VERSIONS }, (_, number) => contentOf(number)))]);
  await client.sendPack(all);
  for (let number = 0; number < VERSIONS; number++) {
    const runs = [{ at: 0, length: BYTES, pack: all.id, offset: BYTES * number }];
    // Its clock runs backwards: what it says is in no order at all.
    const takenAt = new Date(Date.UTC(2026, 0, 1) - 1_000 * number).toISOString();
    const commit = commitOf(contentOf(number), null, runs, [0], { path: BUSY, kind: 'pst', takenAt });
    const { status, json } = await client.putVersion(randomUUID(), commit);
    expect(status).toBe(201);
    made.push(json);
  }
}, 900_000);

afterAll(async () => {
  if (server) await stop(server);
  rmSync(root, { recursive: true, force: true });
});

const cli = (...words: string[]) => mailferryOk(...words, '--state', state, '--json');

describe(`a history of ${VERSIONS} versions`, () => {
  test('A1: an old version is restored by its id', async () => {
    const to = join(root, 'old');
    await cli('restore', BUSY, '--version', made[49]!.id, '--to', to);
    expect(readFileSync(to)).toEqual(contentOf(49));
  });

  test('A1: at any time the version that the server had by then', async () => {
    for (let number = 0; number < VERSIONS; number += 100) {
      const query = new URLSearchParams({ path: BUSY, at: made[number]!.receivedAt, limit: '1' });
      const { json } = await client.get(`/v1/versions?${query}`);
      expect(json.versions[0].receivedAt).toBe(made[number]!.receivedAt);
    }
    for (const number of [0, 4_321, VERSIONS - 1]) {
      const to = join(root, `at-${number}`);
      const { json } = await cli('restore', BUSY, '--at', made[number]!.receivedAt, '--to', to);
      const restored = made.find(({ id }) => id === json.version)!;
      expect(restored.receivedAt).toBe(made[number]!.receivedAt);
      expect(readFileSync(to)).toEqual(contentOf(made.indexOf(restored)));
    }
    const before = await mailferry(
      'restore',
      BUSY,
      '--at',
      '2020-01-01T00:00:00Z',
      '--to',
      join(root, 'x'),
      '--state',
      state,
      '--json',
    ).ended;
    expect(before).toMatchObject({ code: 1, json: { error: { code: 'not_found' } } });
  });

  test('B1: the newest is the last that the server took, not the one with the latest time', async () => {
    const to = join(root, 'newest');
    await cli('restore', BUSY, '--to', to);
    expect(readFileSync(to)).toEqual(contentOf(VERSIONS - 1));
  });

  test('A2: the newest of every store of a kind, also of one that last changed 10,100 versions ago', async () => {
    const to = join(root, 'kind');
    mkdirSync(to);
    const { json } = await cli('restore', '--kind', 'pst', '--to', to);
    expect(json.restored).toHaveLength(2);
    const bytes = json.restored.map((each: { to: string }) => readFileSync(each.to).toString()).sort();
    expect(bytes).toEqual([contentOf(VERSIONS - 1).toString(), KEPT.toString()].sort());
  });

  test('A1: versions tells all of them, newest first', async () => {
    const { json } = await cli('versions');
    expect(json.versions).toHaveLength(VERSIONS + 1);
    const { json: of } = await cli('versions', BUSY);
    expect(of.versions.map(({ id }: { id: string }) => id)).toEqual(made.map(({ id }) => id).reverse());
    expect((await cli('versions', ONCE)).json.versions).toHaveLength(1);
  });

  test('A1: verify --all looks at every one of them', { timeout: 300_000 }, async () => {
    const { json } = await cli('verify', '--all');
    expect(json).toEqual({ verified: VERSIONS + 1, failed: [] });
    expect((await cli('verify')).json).toEqual({ verified: 2, failed: [] });
  });

  test('A3: a path that was never backed up is not found, and nothing is called verified', async () => {
    for (const command of ['verify', 'versions']) {
      const ended = await mailferry(command, '/home/a/nothing.pst', '--state', state, '--json').ended;
      expect(ended).toMatchObject({ code: 1, json: { error: { code: 'not_found' } } });
    }
  });

  const LISTS: [string, Record<string, string>, count: number][] = [
    ['everything', {}, VERSIONS + 1],
    ['all versions of a path', { path: BUSY }, VERSIONS],
    ['of a kind', { kind: 'pst' }, VERSIONS + 1],
    ['of a kind that there is none of', { kind: 'ost' }, 0],
    ['with the most that may be asked for', { limit: '10000', partial: 'true' }, VERSIONS + 1],
    ['the newest of each path', { newest: 'each' }, 2],
    ['what was lost', { damaged: 'true', partial: 'true' }, 0],
  ];
  test.each(LISTS)(
    'A1, A4: each page of a list (%s) takes 100 ms and 2 MiB at most',
    async (_, query, count) => {
      await pagesOf('/v1/versions', query, 'cursor', count);
    },
  );

  test('A1, A4: and of what there was at an early time', async () => {
    await pagesOf('/v1/versions', { newest: 'each', at: made[3]!.receivedAt }, 'cursor', 2);
    const early = made.findLastIndex(({ receivedAt }) => receivedAt <= made[99]!.receivedAt) + 1;
    await pagesOf('/v1/versions', { at: made[99]!.receivedAt, path: BUSY }, 'cursor', early);
    await pagesOf('/v1/versions', { at: made[99]!.receivedAt }, 'cursor', early + 1);
  });

  test('the receipts are a list of their own, in the order of the chain', async () => {
    await pagesOf('/v1/receipts', {}, 'after', VERSIONS + 1);
    const { json } = await client.get('/v1/receipts?after=10000&limit=3');
    const sequences = json.receipts.map(
      ({ statement }: { statement: string }) => JSON.parse(statement).sequence,
    );
    expect(sequences).toEqual([10_001, 10_002, 10_003]);
  });
});

/** Asks for every page of a list; each within the bounds, and `count` entries in all. */
async function pagesOf(
  route: string,
  query: Record<string, string>,
  cursor: 'cursor' | 'after',
  count: number,
): Promise<void> {
  const words = new URLSearchParams(query);
  let entries = 0;
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && best > MOST_MS; tries++) {
      const began = performance.now();
      const { status, bytes } = await client.get(`${route}?${words}`);
      best = Math.min(best, performance.now() - began);
      expect(status).toBe(200);
      expect(bytes.length).toBeLessThanOrEqual(MOST_BYTES);
    }
    expect(best).toBeLessThanOrEqual(MOST_MS);
    const { json } = await client.get(`${route}?${words}`);
    entries += (json.versions ?? json.receipts).length;
    if (json.next === undefined) break;
    words.set(cursor, json.next);
  }
  expect(entries).toBe(count);
}
