// The generator of the bench: same arguments, same bytes; a store that a reader of block trees understands; small days.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockDiff } from './block-diff.ts';
import { readRealBlocks, readTextPool } from './outlook/real-blocks.ts';
import type { Policy } from './outlook/space.ts';
import { dayPaths, generateBase, generateDays, nextDay } from './outlook-days.ts';

const MIB = 1 << 20;
const SIZE = 16 * MIB;
/** A usual day is larger than what a store of 16 MiB has free. */
const LIGHT_DAY = { mails: 3, updates: 30, deletes: 4 };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'outlook-days-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function twoDays(name: string, policy: Policy, seed = 1): { day0: string; day1: string; blocks: number } {
  const day0 = join(directory, `${name}-0.pst`);
  const day1 = join(directory, `${name}-1.pst`);
  const store = generateBase(day0, { size: SIZE, seed, policy });
  nextDay(store, day0, day1, LIGHT_DAY);
  return { day0, day1, blocks: store.blocks.places.size };
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('the pool', () => {
  it('has text of a real store', () => {
    expect(readTextPool().length).toBeGreaterThan(MIB);
  });

  it('comes from Unicode stores only', () => {
    expect(() => readRealBlocks(Buffer.alloc(1024))).toThrow('not a PST');
    const ansi = Buffer.alloc(1024);
    ansi.write('!BDN');
    ansi.writeUInt16LE(14, 10);
    expect(() => readRealBlocks(ansi)).toThrow('version 14');
  });
});

describe('the days', () => {
  it('are the same for the same arguments and others for another seed', () => {
    const once = twoDays('once', 'dense');
    const again = twoDays('again', 'dense');
    const other = twoDays('other', 'dense', 2);
    expect([digest(again.day0), digest(again.day1)]).toEqual([digest(once.day0), digest(once.day1)]);
    expect(digest(other.day0)).not.toBe(digest(once.day0));
  });

  it('are stores whose block tree lists every block, with its checksum', () => {
    const { day1, blocks } = twoDays('tree', 'frag');
    const store = readFileSync(day1);
    expect(store.subarray(0, 4).toString('latin1')).toBe('!BDN');
    expect(store.length).toBeGreaterThan(SIZE * 0.95);
    const ids = new Set<number>();
    for (const payload of readRealBlocks(store)) {
      const trailer = payload.byteOffset - store.byteOffset + Math.ceil((payload.length + 16) / 64) * 64 - 16;
      expect(store.readUInt16LE(trailer)).toBe(payload.length);
      ids.add(store.readUInt32LE(trailer + 8));
    }
    expect(ids.size).toBe(blocks);
  });

  it('change a small part, which an aged store scatters', () => {
    const [dense, frag] = (['dense', 'frag'] as const).map((policy) => {
      const { day0, day1 } = twoDays(policy, policy);
      return blockDiff(day0, day1, [1024, 65_536]);
    });
    for (const day of [dense!, frag!]) {
      expect(day.changedBytes.get(1024)).toBeGreaterThan(50_000);
      expect(day.changedBytes.get(1024)).toBeLessThan(SIZE * 0.25);
    }
    expect(frag!.runs).toBeGreaterThan(dense!.runs * 1.5);
  });

  it('are laid out as DIR/day0.pst, day1.pst ...', () => {
    const days = join(directory, 'days');
    expect(generateDays(days, { size: SIZE, seed: 3, policy: 'dense' }, 1)).toEqual(dayPaths(days, 1));
    expect(readFileSync(join(days, 'day1.pst')).subarray(0, 4).toString()).toBe('!BDN');
  });
});
