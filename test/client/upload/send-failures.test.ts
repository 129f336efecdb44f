// What a failed send or commit leads to: whether it is an attempt, how long it waits, what is told, what is given up.
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Device } from '../../../client/device.ts';
import { failureOf } from '../../../client/http/failure-of-answer.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { Queue } from '../../../client/state/queue.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import { SendFailures } from '../../../client/upload/send-failures.ts';
import { Failure } from '../../../shared/failure.ts';
import { backupRow, packRow } from '../../support/client/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NOW = 1_000_000;
const SEALED = { complete: 1, size: 1_000, sha256: 'a', root: 'b', fingerprint: 'c', fingerprint_file: 'a' };
const BASE = { version: 'v', size: 1_000, root: 'b', complete: true, fingerprint: 'c', file: 'v' };

function device({ waking = false, knows = false }: { waking?: boolean; knows?: boolean } = {}) {
  const root = tempDir();
  const db = openDeviceDb(join(root, 'device.db'));
  onTestFinished(() => void db.close());
  const [sources, queue] = [new SourceRegistry(db), new Queue(db)];
  const source = sources.register('/a', 'pst').id;
  queue.begin(backupRow('a', source));
  queue.addPack(packRow('a', 0));
  const said: string[] = [];
  const server = { renewed: false, renew: async () => server.renewed, knowsPack: async () => knows };
  const made = {
    sources,
    queue,
    server,
    now: () => NOW,
    chance: () => 0,
    line: { waking },
    progress: { say: (text: string) => said.push(text) },
    staging: { release: async () => undefined, dropFingerprint: async () => undefined },
  };
  const readAgain = vi.fn();
  const failures = new SendFailures(made as unknown as Device, readAgain);
  const pack = () => queue.waiting()[0]!;
  const send = (failure: Failure, moved = false) =>
    failures.ofSend(pack(), { failure, moved, path: '/none', signal: new AbortController().signal });
  const commit = (failure: Failure) =>
    failures.ofCommit(queue.backup('a')!, { failure, moved: false, signal: new AbortController().signal });
  return { queue, sources, source, server, said, readAgain, failures, pack, send, commit };
}

test.each<[string, Failure, { moved?: boolean; waking?: boolean }, number, number]>([
  ['a dead line', new Failure('unreachable', 'No answer.'), {}, 1, 250],
  ['a line that moved bytes', new Failure('unreachable', 'Cut.'), { moved: true }, 0, 0],
  [
    'a name that is not found while the machine wakes up',
    new Failure('unreachable', 'No such host.', { cause: Object.assign(new Error(), { code: 'EAI_AGAIN' }) }),
    { waking: true },
    1,
    250,
  ],
  [
    'a server that asks to wait',
    new Failure('busy', 'Wait.', { detail: { retryAfterMs: 9_000 } }),
    {},
    1,
    9_000,
  ],
  [
    'one that asks for more than an hour',
    new Failure('busy', 'Wait.', { detail: { retryAfterMs: 9e9 } }),
    {},
    1,
    3_600_000,
  ],
])('after %s', async (_, failure, { moved = false, waking = false }, attempts, wait) => {
  const { send, pack } = device({ waking });
  expect(await send(failure, moved)).toBe('recorded');
  expect(pack()).toMatchObject({ attempts, next_attempt_at: NOW + wait, failure: failure.code });
});

test('names that are not found count while the machine is awake, and not while it wakes up', async () => {
  const failure = new Failure('unreachable', 'No.', {
    cause: Object.assign(new Error(), { code: 'ENOTFOUND' }),
  });
  for (const waking of [false, true]) {
    const { send, pack } = device({ waking });
    for (let attempt = 0; attempt < 3; attempt++) await send(failure);
    expect(pack().attempts).toBe(waking ? 1 : 3);
  }
});

test('trouble is told once, and again after something worked', async () => {
  const { send, said, failures } = device();
  const failure = new Failure('unreachable', 'No answer.');
  await send(failure);
  await send(failure);
  expect(said).toEqual([expect.stringMatching(/^No answer\. /)]);
  failures.over();
  await send(failure);
  expect(said).toHaveLength(2);
});

test('what only a person can mend is told of the source, too; what mends itself is not', async () => {
  const { send, sources, source } = device();
  await send(new Failure('unreachable', 'No answer.'));
  expect(sources.get(source).lastFailure).toBe(null);
  for (const code of ['unauthorized', 'server_full', 'quota_full'] as const) {
    await send(new Failure(code, 'Not let in.'));
    expect(sources.get(source).lastFailure).toEqual({ code, message: 'Not let in.' });
  }
});

test.each(['unauthorized', 'quota_full', 'server_full', 'unreachable', 'busy'] as const)(
  'a half-sent pack that %s keeps from being sent keeps its upload',
  async (code) => {
    const { send, queue, pack, server } = device();
    queue.advancePack(pack(), 'created', '/v1/uploads/1');
    for (const renewed of [false, true]) {
      server.renewed = renewed;
      await send(new Failure(code, 'No.'));
      expect(pack()).toMatchObject({ state: 'sending', url: '/v1/uploads/1' });
    }
  },
);

test('where there is a new credential, being refused is no attempt and nobody is told', async () => {
  const { send, server, pack, sources, source, said } = device();
  server.renewed = true;
  await send(new Failure('unauthorized', 'Not let in.'));
  expect(pack()).toMatchObject({ attempts: 0, next_attempt_at: 0 });
  expect([sources.get(source).lastFailure, said]).toEqual([null, []]);
});

test('an upload that is gone: known where its pack arrived before, begun anew where it did not', async () => {
  const gone = new Failure('upload_gone', 'Gone.');
  expect(await device({ knows: true }).send(gone)).toBe('known');
  const { send, queue, pack } = device();
  queue.advancePack(pack(), 'created', '/v1/uploads/1');
  expect([await send(gone), pack().url]).toEqual(['recorded', null]);
});

test('a pack that ended while it was under way is left alone', async () => {
  const { failures, queue, pack } = device();
  const [row, signal] = [pack(), new AbortController().signal];
  queue.advancePack(row, 'acknowledged');
  const failure = new Failure('unreachable', 'No answer.');
  expect(await failures.ofSend(row, { failure, moved: false, path: '', signal })).toBe('recorded');
  expect(queue.packsOf('a')[0]).toMatchObject({ state: 'known', attempts: 0, failure: null });
});

test.each([
  'blocks_differ',
  'root_differs',
  'base_unknown',
  'version_conflict',
  'fingerprint_damaged',
] as const)('a commit refused with %s is given up, and its source read again', async (code) => {
  const { queue, commit, readAgain, source, sources } = device();
  queue.advancePack(queue.waiting()[0]!, 'acknowledged');
  queue.advance('a', 'sealed', SEALED);
  queue.advance('a', 'packs-known');
  await commit(new Failure(code, 'Refused.'));
  expect(queue.backup('a')?.state).toBe('abandoned');
  expect(readAgain).toHaveBeenCalledWith(source);
  expect(sources.get(source).lastFailure?.code).toBe(code);
});

test.each([
  ['malformed', {}],
  ['too_large', { status: 413 }],
] as const)('a commit that is %s is made anew, but no sooner than the next look', async (code, detail) => {
  const { queue, commit, readAgain, source, sources } = device();
  sources.promote(source, BASE, null, null);
  queue.advancePack(queue.waiting()[0]!, 'acknowledged');
  queue.advance('a', 'sealed', SEALED);
  queue.advance('a', 'packs-known');
  await commit(new Failure(code, 'Refused.', { detail }));
  expect(queue.backup('a')?.state).toBe('abandoned');
  expect(sources.get(source)).toMatchObject({ base: null, askServer: true, lastFailure: { code } });
  expect(readAgain).not.toHaveBeenCalled();
});

test('a commit that a proxy finds too large waits: only a person can mend that', async () => {
  const { queue, commit, source, sources } = device();
  sources.promote(source, BASE, null, null);
  queue.advancePack(queue.waiting()[0]!, 'acknowledged');
  queue.advance('a', 'sealed', SEALED);
  queue.advance('a', 'packs-known');
  await commit(failureOf(413, { 'content-type': 'text/html' }, '<h1>413</h1>'));
  expect(queue.backup('a')).toMatchObject({ state: 'committing', failure: 'too_large', attempts: 1 });
  expect(sources.get(source).base).not.toBeNull();
});

test('packs that the server lacks are sent again before the next commit', async () => {
  const { queue, commit, readAgain } = device();
  queue.advancePack(queue.waiting()[0]!, 'acknowledged');
  queue.advance('a', 'sealed', SEALED);
  queue.advance('a', 'packs-known');
  await commit(new Failure('packs_missing', 'Missing.', { detail: { missing: ['a/0'] } }));
  expect(queue.waiting()).toHaveLength(1);
  expect(queue.backup('a')).toMatchObject({ state: 'uploading', attempts: 1 });
  expect(readAgain).not.toHaveBeenCalled();
});

test.each(['server_full', 'quota_full'] as const)(
  '%s is over when the pack that it met gets through, not when another one of the source does',
  async (code) => {
    const { failures, pack, queue, send, sources, source } = device();
    queue.addPack(packRow('a', 1));
    await send(new Failure(code, 'No room.'));
    expect(sources.get(source).lastFailure).toMatchObject({ code });
    const [refused, other] = queue.packsOf('a');
    queue.advancePack(other!, 'acknowledged');
    failures.over(source);
    expect(sources.get(source).lastFailure).toMatchObject({ code });
    expect(pack().number).toBe(refused!.number);
    queue.advancePack(refused!, 'acknowledged');
    failures.over(source);
    expect(sources.get(source).lastFailure).toBeNull();
  },
);

test('another failure is not over for that', async () => {
  const { failures, sources, source } = device();
  sources.failed(source, 'root_differs', 'Other bytes.');
  failures.over(source);
  expect(sources.get(source).lastFailure).toMatchObject({ code: 'root_differs' });
});
