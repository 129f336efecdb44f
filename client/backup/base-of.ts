// What the server holds of a source: from the fingerprint on this disk, or, where that is gone, from the server.
import { receiptOf } from '../../shared/receipt.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { Device } from '../device.ts';
import { receiptVerifier } from '../healing/receipts-held.ts';
import type { Base, Source } from '../state/source-registry.ts';
import { fetchFingerprint } from './fetch-fingerprint.ts';

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
  receiptOf(newest, device.identity.device, receiptVerifier(device.identity.receiptKey));
  const { file, fingerprint } = await fetchFingerprint(device, newest);
  const base = { version, size, root, complete, file, fingerprint };
  sources.promote(source.id, base, null, null);
  const { receivedAt: at, health, healthNotes } = newest;
  const good = { version, at, size, shape: health === 'not-a-store' ? null : ('store' as const) };
  const suspect = suspectReason(healthNotes);
  if (complete) sources.judged(source.id, suspect, suspect === null ? good : null);
  progress.say(`The server already holds a version of ${source.path}; only what differs is sent.`);
  return base;
}
