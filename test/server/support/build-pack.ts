// A pack for tests, built in memory from its frames' raw bytes with shared/pack.ts: right by default, wrong on request.
import { brotliCompressSync, constants } from 'node:zlib';
import { sha256 } from '../../../server/sha256.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { CODECS, type Frame, frameHash, packHeader, packTail } from '../../../shared/pack.ts';

export interface BuiltPack {
  readonly id: string;
  readonly bytes: Buffer;
  readonly raw: number;
}

/** What to write into a frame's place in the index instead of the truth. */
export interface Lie {
  readonly rawLength?: number;
  readonly hash?: Uint8Array;
}

/** Compresses each of `raws` into a frame where that makes it smaller; `lies` go by the frame's number. */
export function buildPack(raws: readonly Uint8Array[], lies: Readonly<Record<number, Lie>> = {}): BuiltPack {
  const frames: Frame[] = [];
  const parts: Uint8Array[] = [packHeader()];
  for (const [index, raw] of raws.entries()) {
    const packed = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } });
    const isSmaller = packed.length < raw.length;
    const stored = isSmaller ? packed : raw;
    const codec = isSmaller ? CODECS.brotli : CODECS.stored;
    const truth = { rawLength: raw.length, storedLength: stored.length, codec, hash: frameHash(raw, sha256) };
    frames.push({ ...truth, ...lies[index] });
    parts.push(stored);
  }
  parts.push(packTail(frames, sha256));
  const bytes = Buffer.concat(parts);
  return { id: toHex(sha256(bytes)), bytes, raw: raws.reduce((sum, raw) => sum + raw.length, 0) };
}
