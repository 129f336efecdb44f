// A backup cut short becomes a checkpoint: what its sealed packs hold of the source, laid over its base, for the next to go on from.
import { COARSE, coarseCount } from '../shared/block.ts';
import { toHex } from '../shared/byte-codec.ts';
import { RECORD_BYTES, recordAt } from '../shared/fingerprint.ts';
import { MerkleSum } from '../shared/merkle.ts';
import type { Device } from './device.ts';
import { FingerprintReader, FingerprintWriter } from './fingerprint/fingerprint-file.ts';
import type { Backup } from './queue.ts';
import type { Base } from './source-registry.ts';

/** What a checkpoint can be made of, or null where nothing can. Pure. */
export function checkpointOf(
  backup: Pick<Backup, 'size'>,
  base: Pick<Base, 'size'> | null,
  through: number,
): { size: number; blocks: number } | null {
  if (through === 0) return null;
  const prefix = Math.min(through * COARSE, backup.size);
  const size = Math.max(prefix, base?.size ?? 0);
  // A short last block of the new state over a longer one of the base would be a block that nobody hashed.
  if (prefix < size && prefix % COARSE !== 0) return null;
  return { size, blocks: coarseCount(prefix) };
}

/**
 * Ends the reading of `backup`, whose draft fingerprint is synced through the last sealed pack: it goes on as a checkpoint, or is
 * abandoned where no pack was sealed. Idempotent up to the state it ends in.
 */
export async function sealCheckpoint(device: Device, backup: Backup): Promise<void> {
  const { queue, sources, staging } = device;
  const packs = queue.packsOf(backup.id);
  await staging.sweepPacks(backup.id, new Set(packs.map((pack) => pack.number)));
  const source = sources.get(backup.source_id);
  const base = source.base?.version === backup.base_version ? source.base : null;
  const plan = checkpointOf(backup, base, packs.at(-1)?.through ?? 0);
  if (!plan) {
    queue.advance(backup.id, packs.length === 0 ? 'nothing-sealed' : 'lost');
    await staging.release(backup.id);
    await staging.dropFingerprint(backup.id);
    return;
  }
  const file = device.newId();
  const { fingerprint, root } = await joinFingerprints(
    staging.fingerprintPath(file),
    [
      { path: staging.fingerprintPath(backup.id), from: 0, to: plan.blocks },
      ...(base
        ? [{ path: staging.fingerprintPath(base.file), from: plan.blocks, to: coarseCount(plan.size) }]
        : []),
    ],
    device,
  );
  queue.advance(backup.id, 'cut-short', {
    complete: 0,
    size: plan.size,
    sha256: null,
    root,
    fingerprint,
    fingerprint_file: file,
  });
  await staging.dropFingerprint(backup.id);
}

/** Writes records `from` (inclusive) to `to` (exclusive) of each file, one after another, to a new file. */
async function joinFingerprints(
  path: string,
  parts: readonly { path: string; from: number; to: number }[],
  { hashes }: Pick<Device, 'hashes'>,
): Promise<{ fingerprint: string; root: string }> {
  const writer = await FingerprintWriter.create(path);
  const sum = new MerkleSum(hashes.sha256);
  for (const part of parts) {
    const reader = await FingerprintReader.open(part.path);
    try {
      let at = 0;
      for (let batch = await reader.next(); batch.length > 0 && at < part.to; batch = await reader.next()) {
        const count = batch.length / RECORD_BYTES;
        const first = Math.min(count, Math.max(0, part.from - at));
        const last = Math.min(count, part.to - at);
        for (let index = first; index < last; index++) sum.push(recordAt(batch, index).sha256);
        if (last > first) await writer.append(batch.subarray(first * RECORD_BYTES, last * RECORD_BYTES));
        at += count;
      }
    } finally {
      await reader.close();
    }
  }
  return { fingerprint: await writer.finish(), root: toHex(sum.root()) };
}
