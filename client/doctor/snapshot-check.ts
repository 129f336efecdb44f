// Doctor: really freezes each volume that holds mail, reads out of the frozen view, and looks whether it is gone afterwards.
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asFailure, Failure } from '../../shared/failure.ts';
import { freezerOf, type SnapshotChoice } from '../snapshot/freezer.ts';
import { type SnapshotProvider, type SnapshotSurroundings, withSnapshot } from '../snapshot/snapshot.ts';
import type { Finding } from './finding.ts';

export interface RoundTripOptions {
  readonly providers: readonly SnapshotProvider[];
  readonly surroundings: SnapshotSurroundings;
  /** Files that are protected: one for each volume is read. */
  readonly sources: readonly string[];
  /** An existing folder: a file with known bytes is made there, frozen, changed, and read as it was. */
  readonly scratch: string;
  readonly choice: SnapshotChoice;
}

/** Bytes read of a source: enough to know that it can be read. */
const LOOK_BYTES = 4_096;

/** A finding for each volume. */
export async function snapshotFindings(options: RoundTripOptions): Promise<Finding[]> {
  const probe = join(options.scratch, `doctor-${process.pid}.probe`);
  await writeFile(probe, 'before');
  try {
    const findings: Finding[] = [];
    const seen = new Set<string>();
    for (const path of [...options.sources, probe]) {
      const volume = await volumeOf(options, path);
      const key = volume instanceof Failure ? volume.message.replace(path, '') : volume.volume.root;
      // The state's own volume matters only where it holds mail too; a probe tells more than a look, so it has its turn there.
      if (seen.has(key) || (path === probe && options.sources.length > 0)) continue;
      seen.add(key);
      if (volume instanceof Failure) {
        // The file that was tried is nobody's: its folder says more.
        findings.push(impossible(volume, options.choice, (text) => text.replace(probe, options.scratch)));
      } else {
        const own = await volumeOf(options, probe);
        const here = !(own instanceof Failure) && own.volume.root === volume.volume.root;
        findings.push(await roundTrip(options, { ...volume, path: here ? probe : path, known: here }));
      }
    }
    return findings;
  } finally {
    await rm(probe, { force: true });
  }
}

/** Who would freeze the volume of `path` with a real snapshot. */
async function volumeOf({ providers }: RoundTripOptions, path: string) {
  return freezerOf(providers, path, 'require').catch((error) => asFailure(error));
}

function impossible(failure: Failure, choice: SnapshotChoice, named: (text: string) => string): Finding {
  const needed = choice !== 'live' && choice !== 'never' && choice !== 'prefer';
  return {
    check: 'snapshot',
    state: needed ? 'failed' : 'warning',
    said: `${named(failure.message)}${needed ? '' : ' Files are read live.'}`,
    todo: failure.hint,
  };
}

async function roundTrip(
  { surroundings }: RoundTripOptions,
  {
    provider,
    volume,
    path,
    known,
  }: { provider: SnapshotProvider; volume: { root: string }; path: string; known: boolean },
): Promise<Finding> {
  const left: Failure[] = [];
  const began = surroundings.now();
  const failed = (failure: Failure): Finding => ({
    check: 'snapshot',
    state: 'failed',
    said: `${provider.kind} of ${volume.root}: ${failure.message}`,
    todo: failure.hint,
  });
  try {
    if (known) await writeFile(path, 'before');
    await withSnapshot(
      provider,
      volume,
      { ...surroundings, onLeft: (failure) => left.push(failure) },
      async (frozen) => {
        if (known) await writeFile(path, 'after');
        const bytes = await firstBytes(await frozen.pathOf(path));
        if (known && bytes.toString() !== 'before') {
          throw new Failure('snapshot_failed', 'The frozen view shows what was written after it was made.');
        }
      },
    );
  } catch (error) {
    return failed(asFailure(error));
  }
  if (left[0]) return failed(left[0]);
  const ms = surroundings.now() - began;
  return {
    check: 'snapshot',
    state: 'ok',
    said: `${volume.root} was frozen (${provider.kind}), read and let go in ${(ms / 1000).toFixed(1)} s.`,
  };
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(LOOK_BYTES);
    const { bytesRead } = await file.read(bytes, 0, LOOK_BYTES, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
