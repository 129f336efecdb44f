// What the server holds of a source: from the fingerprint on this disk, or, where that is gone, from the server.
import { coarseCount } from '../../shared/block.ts';
import { Failure } from '../../shared/failure.ts';
import { RECORD_BYTES } from '../../shared/fingerprint.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { Device } from '../device.ts';
import { FingerprintWriter, recordsOfHashes } from '../fingerprint/fingerprint-file.ts';
import type { Base, Source } from '../state/source-registry.ts';

/**
 * The base a backup starts from; null where the server holds nothing of the source. Where only the server knows that and can't be
 * asked, its Failure: to send everything once more would be right too, but for days.
 */
export async function baseOf(device: Device, source: Source): Promise<Base | null> {
  const { server, sources, progress, stop } = device;
  if (source.base || !source.askServer) return source.base;
  const newest = await server.newest({ path: source.path, partial: true }, { signal: stop });
  if (!newest) {
    sources.nothingHeld(source.id);
    return null;
  }
  const { id: version, size, root, complete } = newest;
  const base = { version, size, root, complete, ...(await fetchFingerprint(device, newest)) };
  sources.promote(source.id, base, null, null);
  const { receivedAt: at, health, healthNotes } = newest;
  const good = { version, at, size, shape: health === 'not-a-store' ? null : ('store' as const) };
  const suspect = suspectReason(healthNotes);
  if (complete) sources.judged(source.id, suspect, suspect === null ? good : null);
  progress.say(`The server already holds a version of ${source.path}; only what differs is sent.`);
  return base;
}

/** Coarse hashes of a version as a fingerprint file: hashes only, tags and fine hashes come with the next read. */
async function fetchFingerprint(
  device: Device,
  version: VersionSummary,
): Promise<{ file: string; fingerprint: string }> {
  const { server, staging, stop } = device;
  const file = device.newId();
  const writer = await FingerprintWriter.create(staging.fingerprintPath(file));
  try {
    const response = await server.fingerprint(version.id, { signal: stop });
    await writeRecords(response.body, coarseCount(version.size), writer);
    const fingerprint = await writer.finish();
    await staging.syncFingerprints();
    return { file, fingerprint };
  } catch (error) {
    await writer.abandon();
    await staging.dropFingerprint(file);
    throw error;
  }
}

/** Hashes turned into records at a time: those of 16 MiB of source. */
const MOST_HASHES = 256;

/** Writes a record for each hash that comes. A Failure `unreachable` where there are not `count` of them: the answer was cut. */
async function writeRecords(
  hashes: AsyncIterable<Buffer>,
  count: number,
  writer: FingerprintWriter,
): Promise<void> {
  let rest = Buffer.alloc(0);
  let written = 0;
  for await (const part of hashes) {
    // Pieces of an answer end anywhere; records are made of whole hashes.
    const bytes = Buffer.concat([rest, part]);
    const whole = bytes.length - (bytes.length % 32);
    for (let at = 0; at < whole; at += 32 * MOST_HASHES) {
      const records = recordsOfHashes(bytes.subarray(at, Math.min(whole, at + 32 * MOST_HASHES)));
      for (let from = 0; from < records.length; from += 64 * RECORD_BYTES)
        await writer.append(records.subarray(from, from + 64 * RECORD_BYTES));
      written += records.length / RECORD_BYTES;
    }
    rest = Buffer.from(bytes.subarray(whole));
  }
  if (rest.length > 0 || written !== count)
    throw new Failure('unreachable', `A fingerprint came with ${written} hashes instead of ${count}.`);
}
