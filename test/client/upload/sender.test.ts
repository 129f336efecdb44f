// The sender over a long queue: how much it takes up at a time, what comes first, and what it does when its database breaks.
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Device } from '../../../client/device.ts';
import type { Sign } from '../../../client/line/line.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { Queue } from '../../../client/state/queue.ts';
import { SourceRegistry } from '../../../client/state/source-registry.ts';
import { Sender, type SenderEvents } from '../../../client/upload/sender.ts';
import { backupRow, packRow } from '../../support/client/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEALED = { complete: 1, size: 1_000, sha256: 'a', root: 'b', fingerprint: 'c', fingerprint_file: 'a' };

/** A device whose server never answers, with `packs` packs of one backup queued. */
function device(packs: number) {
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
        new Promise((_, reject) => {
          asked.push(id);
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
