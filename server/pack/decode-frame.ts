// Turns the stored bytes of a frame back into its raw ones, with a hard ceiling: a bomb ends where its index said it would.
import { collectSoon } from '../../shared/collect-soon.ts';
import { Failure } from '../../shared/failure.ts';
import type { Frame } from '../../shared/pack.ts';
import { UNFOLDING } from './codecs.ts';

/**
 * The raw bytes of a frame, exactly `rawLength` of them. A Failure `malformed` where the stored bytes are not that. The bytes are not
 * compared with the frame's hash.
 *
 * In one call and here: 128 KiB take 0.3 ms of brotli, 8 MiB some 25. The thread pool would take twice as long for a small frame, and
 * each of its threads would keep a decoder's memory.
 */
export function decodeFrame(frame: Pick<Frame, 'codec' | 'rawLength'>, stored: Uint8Array): Uint8Array {
  // Of the frame before: were it done once this one is there, the new one would be taken for something that lasts.
  collectSoon(frame.rawLength);
  const raw = decode(frame, stored);
  if (raw.length !== frame.rawLength)
    throw new Failure('malformed', 'A frame has another length than stated.');
  return raw;
}

function decode({ codec, rawLength }: Pick<Frame, 'codec' | 'rawLength'>, stored: Uint8Array): Uint8Array {
  const unfolding = UNFOLDING[codec];
  const form = unfolding.form(rawLength);
  form.push(stored);
  form.end();
  try {
    return unfolding.inOneCall(stored, rawLength);
  } catch (cause) {
    throw new Failure('malformed', 'A frame does not decompress to its stated length.', { cause });
  }
}
