// The sender over a long queue: how much it takes up at a time, what comes first, and what it does when its database breaks.
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Device } from '../../../client/device.ts';
import type { Sign } from '../../../client/line/line.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { Queue } from '../../../client/state/queue.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import { Sender, type SenderEvents } from '../../../client/upload/sender.ts';
import type { PackUpload } from '../../../client/upload/upload-pack.ts';
import { backupRow, packRow } from '../../support/client/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEALED = { complete: 1, size: 1_000, sha256: 'a', root: 'b', fingerprint: 'c', fingerprint_file: 'a' };

const { uploads } = vi.hoisted(() => ({ uploads: [] as (PackUpload & { end: () => void })[] }));

// Uploads that go on until they are told to end: what the server says of them is said by the test.
vi.mock(import('../../../client/upload/upload-pack.ts'), () => ({
  uploadPack: (upload: PackUpload) =>
    new Promise<void>((resolve, reject) => {
      uploads.push({ ...upload, end: resolve });
      upload.signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    }),
}));

/** A device with `packs` packs of one backup queued; its server knows none of them, or never answers. */
function device(packs: number, { answers = false } = {}) {
  uploads.length = 0;
  const db = openDeviceDb(join(tempDir(), 'device.db'));
  const sources = new SourceRegistry(db);
  const queue = new Queue(db);
  queue.begin(backupRow('a', sources.register('/a', 'pst').id));
  for (let number = 0; number < packs; number++) queue.addPack(packRow('a', number));
  const stop = new AbortController();
  const listeners = new Set<(sign: Sign) => void>();
  const asked: string[] = [];
  const made = {
    sources,
    queue,
    stop: stop.signal,
    now: Date.now,
    chance: () => 0,
    progress: { report() {}, say() {}, clear() {} },
    staging: { packPath: () => '' },
    http: { reset() {} },
    line: {
      waking: false,
      onSign: (listener: (sign: Sign) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    server: {
      knowsPack: (id: string, { signal }: { signal: AbortSignal }) =>
        new Promise((resolve, reject) => {
          asked.push(id);
          if (answers) resolve(false);
          if (signal.aborted) reject(new Error('aborted'));
          signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        }),
    },
  };
  const start = (events: SenderEvents = {}) => {
    const sender = new Sender(made as unknown as Device, events);
    onTestFinished(async () => {
      stop.abort();
      await sender.close();
      db.close();
    });
    return sender;
  };
  const sign = () => {
    for (const listener of listeners) listener('network');
  };
  return { queue, sources, db, start, sign, asked };
}

/** What is sent with is loaded when there is something to send, which takes a busy machine its time. */
const PATIENT = { timeout: 20_000 };

test('takes up two at a time, and a sign of the line costs no more for a thousand packs than for two', async () => {
  const { queue, start, sign, asked } = device(1_000);
  const looks = vi.spyOn(queue, 'waiting');
  start().notify();
  await vi.waitFor(() => expect(asked).toHaveLength(2), PATIENT);
  const before = looks.mock.calls.length;
  sign();
  await vi.waitFor(() => expect(asked).toHaveLength(4), PATIENT);
  expect(looks.mock.calls.length - before).toBeLessThan(10);
  expect(new Set(asked).size).toBe(2);
});

test('sends on while the server checks what it has, with never more than two packs on the wire', async () => {
  const { start } = device(10, { answers: true });
  start().notify();
  await vi.waitFor(() => expect(uploads).toHaveLength(2), PATIENT);
  const bytes = packRow('a', 0).bytes;
  const atOnce = async (count: number) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(uploads).toHaveLength(count);
  };
  uploads[0]!.onWritten(bytes - 1);
  await atOnce(2);
  uploads[0]!.onWritten(bytes);
  uploads[0]!.onWritten(bytes);
  await atOnce(3);
  uploads[1]!.onWritten(bytes);
  await atOnce(4);
  // A server that is slow to check is not given more and more.
  uploads[2]!.onWritten(bytes);
  uploads[3]!.onWritten(bytes);
  await atOnce(4);
  // Nothing is on the wire then: two places are free as soon as one is checked, and one after that.
  uploads[0]!.end();
  await atOnce(5);
  uploads[1]!.end();
  await atOnce(6);
  uploads[2]!.end();
  await atOnce(6);
  uploads[4]!.onWritten(bytes);
  await atOnce(7);
});

test('a backup that only needs its receipt goes before packs that wait', async () => {
  const { queue, sources, start, asked } = device(10);
  const other = sources.register('/b', 'pst').id;
  queue.begin(backupRow('b', other, { taken_at: '2026-02-02T00:00:00.000Z' }));
  queue.advance('b', 'sealed', SEALED);
  start().notify();
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(0), PATIENT);
  expect(queue.backup('b')?.state).toBe('committing');
});

test('a damaged database is told at once, whoever waits or not', async () => {
  const { queue, start } = device(1);
  const onBroken = vi.fn();
  const sender = start({ onBroken });
  vi.spyOn(queue, 'waiting').mockImplementation(() => {
    throw Object.assign(new Error('malformed'), { code: 'SQLITE_CORRUPT' });
  });
  const waiting = sender.idle();
  await expect(waiting).rejects.toMatchObject({ code: 'state_damaged' });
  expect(onBroken).toHaveBeenCalledTimes(1);
  expect(sender.broken).toMatchObject({ code: 'state_damaged' });
});

test('a database that is only full is looked at again', async () => {
  const { queue, start } = device(1);
  const onBroken = vi.fn();
  const sender = start({ onBroken });
  const looks = vi.spyOn(queue, 'waiting').mockImplementation(() => {
    throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' });
  });
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  sender.notify();
  expect(sender.broken).toBeUndefined();
  const before = looks.mock.calls.length;
  vi.advanceTimersByTime(5_000);
  expect(looks.mock.calls.length).toBe(before + 1);
  expect(onBroken).not.toHaveBeenCalled();
});
