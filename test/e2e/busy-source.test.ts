// A store that is written through the whole backup: what comes back is the frozen view, the source is never opened for writing.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { btrfsVolume, lacksBtrfs, snapshotsOn } from '../support/btrfs-volume.ts';
import { makeMailFile } from '../support/mail-file.ts';
import { kill, mailferry, mailferryOk, PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const missing = lacksBtrfs() ?? lacks('strace');
const WRITER = fileURLToPath(new URL('../support/busy-writer.mjs', import.meta.url));
const SIZE = 96 * 1_048_576;
const BLOCKS = SIZE / 4096;

function write(path: string, log: string, from = 1): ChildProcess {
  const child = spawn(process.execPath, [WRITER, path, log, String(BLOCKS), String(from)], {
    stdio: 'inherit',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

function blockOf(n: number): Buffer {
  const block = Buffer.alloc(4096);
  for (let at = 0; at < 4096; at += 8) {
    block.writeUInt32LE(n, at);
    block.writeUInt32LE(Math.imul(n + at, 2_654_435_761) >>> 0, at + 4);
  }
  return block;
}

/** Whether `restored` is `original` with the writes 1 to n, for some n: the n, or a complaint. */
function frozenAt(original: string, restored: string, written: number): number | string {
  const newest = new Map<number, number[]>();
  for (let n = 1; n <= written; n++) {
    const place = (Math.imul(n, 2_654_435_761) >>> 0) % BLOCKS;
    const writes = newest.get(place) ?? [];
    writes.push(n);
    newest.set(place, writes);
  }
  const before = openSync(original, 'r');
  const after = openSync(restored, 'r');
  const old = Buffer.alloc(4096);
  const now = Buffer.alloc(4096);
  let least = 0;
  let most = written;
  for (let place = 0; place < BLOCKS; place++) {
    readSync(before, old, 0, 4096, place * 4096);
    readSync(after, now, 0, 4096, place * 4096);
    const writes = newest.get(place) ?? [];
    const held = writes.findLast((n) => now.equals(blockOf(n)));
    if (held === undefined && !now.equals(old)) return `block ${place} is neither old nor written`;
    if (held !== undefined) least = Math.max(least, held);
    const next = writes.find((n) => n > (held ?? 0));
    if (next !== undefined) most = Math.min(most, next - 1);
  }
  return least <= most ? least : `write ${least} is there but write ${most + 1} is not`;
}

describe.skipIf(missing)(named('on btrfs, while a program keeps writing', missing), () => {
  test('the version is one frozen view, and the source was never opened for writing', async () => {
    const root = tempDir();
    const volume = btrfsVolume(root, 1_073_741_824);
    const source = join(volume, 'mail.pst');
    const log = join(root, 'writes');
    makeMailFile(source, SIZE, 1);
    const original = join(root, 'original');
    await start('cp', [source, original]).ended;
    const { server, state } = await serverAndDevice(root);
    const writer = write(source, log);
    await pause(300);
    const trace = join(root, 'trace');
    const backup = await start('strace', [
      '-f',
      '-qq',
      '-e',
      'trace=open,openat,creat,truncate,rename,renameat2,unlink,unlinkat',
      '-o',
      trace,
      process.execPath,
      PROGRAM,
      'backup',
      source,
      '--wait',
      '--state',
      state,
      '--json',
    ]).ended;
    expect(backup.stderr).toBe('');
    expect(backup.json).toMatchObject({ snapshots: 1, versions: [{ path: source, snapshot: 'btrfs' }] });
    writer.kill('SIGKILL');
    await pause(100);
    const touching = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes('mail.pst'));
    expect(touching.length).toBeGreaterThan(0);
    expect(
      touching.filter((line) => !/O_RDONLY/.test(line) || /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line)),
    ).toEqual([]);
    expect(snapshotsOn(volume)).toEqual([]);
    const restored = join(root, 'restored');
    await mailferryOk('restore', source, '--to', restored, '--state', state);
    const written = Number(readFileSync(log, 'utf8').trim().split('\n').at(-1));
    expect(written).toBeGreaterThan(1000);
    const frozen = frozenAt(original, restored, written);
    expect(frozen).toBeTypeOf('number');
    expect(frozen).toBeGreaterThan(0);
    expect(frozen).toBeLessThan(written);
    await stop(server);
  });

  test('a store that rests costs one snapshot, and none the second time', async () => {
    const root = tempDir();
    const source = join(btrfsVolume(root, 268_435_456), 'mail.pst');
    makeMailFile(source, 10_000_000, 3);
    const { server, state } = await serverAndDevice(root);
    const words = ['backup', source, '--wait', '--state', state, '--json'];
    const first = await mailferryOk(...words);
    expect(first.json).toMatchObject({ snapshots: 1, unchanged: 0, versions: [{ snapshot: 'btrfs' }] });
    const second = await mailferryOk(...words);
    expect(second.json).toMatchObject({ snapshots: 0, unchanged: 1, versions: [] });
    await stop(server);
  });

  test('killed in the middle of reading, the next start removes the snapshot and finishes', async () => {
    const root = tempDir();
    const volume = btrfsVolume(root, 1_073_741_824);
    const source = join(volume, 'mail.pst');
    const log = join(root, 'writes');
    makeMailFile(source, SIZE, 2);
    const original = join(root, 'original');
    await start('cp', [source, original]).ended;
    const { server, state } = await serverAndDevice(root);
    const writer = write(source, log);
    const backup = mailferry('backup', source, '--wait', '--state', state);
    for (let i = 0; i < 400 && snapshotsOn(volume).length === 0; i++) await pause(5);
    await pause(60);
    await kill(backup);
    expect(snapshotsOn(volume)).toHaveLength(1);
    const again = await mailferryOk('backup', source, '--wait', '--state', state, '--json');
    expect(again.json.versions).toHaveLength(1);
    expect(snapshotsOn(volume)).toEqual([]);
    writer.kill('SIGKILL');
    await pause(100);
    const restored = join(root, 'restored');
    await mailferryOk('restore', source, '--to', restored, '--state', state);
    const written = Number(readFileSync(log, 'utf8').trim().split('\n').at(-1));
    expect(frozenAt(original, restored, written)).toBeTypeOf('number');
    expect(existsSync(join(volume, 'mail.pst'))).toBe(true);
    await stop(server);
  });
});
