// What the server holds of a source: from the fingerprint on this disk, or, where that is gone, from the server.
import { asFailure, Failure } from '../shared/failure.ts';
import { RECORD_BYTES } from '../shared/fingerprint.ts';
import type { Device } from './device.ts';
import { FingerprintWriter, recordsOfHashes } from './fingerprint/fingerprint-file.ts';
import type { Base, Source } from './source-registry.ts';

/**
 * The base a backup starts from; null where the server holds nothing of the source, or can't be asked: then everything is sent,
 * which is right, only more.
 */
export async function baseOf(device: Device, source: Source): Promise<Base | null> {
  if (source.base) return source.base;
  try {
    const [newest] = await device.server.versions({ path: source.path, partial: true, limit: 1 });
    if (!newest) return null;
    const { file, fingerprint } = await fetchFingerprint(device, newest.id);
    const base = {
      version: newest.id,
      size: newest.size,
      root: newest.root,
      complete: newest.complete,
      file,
      fingerprint,
    };
    device.sources.promote(source.id, base, null, null);
    device.progress.say(`The server already holds a version of ${source.path}; only what differs is sent.`);
    return base;
  } catch (error) {
    const failure = asFailure(error);
    if (failure.retry === 'later' || failure.code === 'stalled') return null;
    throw failure;
  }
}

/** Coarse hashes of a version as a fingerprint file: hashes only, tags and fine hashes come with the next read. */
async function fetchFingerprint(
  device: Device,
  version: string,
): Promise<{ file: string; fingerprint: string }> {
  const file = device.newId();
  const writer = await FingerprintWriter.create(device.staging.fingerprintPath(file));
  const response = await device.server.fingerprint(version);
  let rest = Buffer.alloc(0);
  // Pieces of an answer end anywhere; records are made of whole hashes, a bounded number at a time.
  const most = 8 * 1024;
  for await (const part of response.body) {
    const bytes = Buffer.concat([rest, part as Buffer]);
    const whole = bytes.length - (bytes.length % 32);
    for (let at = 0; at < whole; at += most) {
      const records = recordsOfHashes(bytes.subarray(at, Math.min(whole, at + most)));
      for (let from = 0; from < records.length; from += 64 * RECORD_BYTES) {
        await writer.append(records.subarray(from, from + 64 * RECORD_BYTES));
      }
    }
    rest = Buffer.from(bytes.subarray(whole));
  }
  const expected = Number(response.headers['content-length'] ?? Number.NaN);
  if (rest.length > 0)
    throw new Failure(
      'malformed',
      `The fingerprint of ${version} has ${expected} bytes, which is no whole number of hashes.`,
    );
  return { file, fingerprint: await writer.finish() };
}
