// Compresses the bytes of one frame, by codec.
import { brotliCompressSync, constants, zstdCompressSync } from 'node:zlib';
import { letGo } from '../../shared/let-go.ts';
import { CODECS, type Codec } from '../../shared/pack.ts';

/** The codecs that shrink something. */
export type Compressing = Exclude<Codec, typeof CODECS.stored>;

export interface Compression {
  readonly codec: Compressing;
  /** Brotli's quality, 0 to 11; zstd's level, 1 to 19. */
  readonly level: number;
  /** Window, log2 of bytes: no larger than a frame needs. */
  readonly window: number;
  /** zstd: entries of its table of what was seen, log2, 4 bytes each; where it is not given, the level's own. */
  readonly table?: number;
}

type Compress = (raw: Uint8Array, compression: Compression) => Uint8Array;

/** Room for what can't be compressed: with less, zstd first copies all that it is given. */
const mostBytes = (raw: Uint8Array): number => raw.length + (raw.length >> 8) + 1024;

export const COMPRESS: Readonly<Record<Compressing, Compress>> = {
  [CODECS.brotli]: (raw, { level, window }) => {
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: level,
      [constants.BROTLI_PARAM_LGWIN]: window,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    };
    return letGo(brotliCompressSync(raw, { chunkSize: mostBytes(raw), params, info: true }));
  },
  // In one call, so that the frame says its length: shared/zstd-form.ts.
  [CODECS.zstd]: (raw, { level, window, table }) => {
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: window,
      ...(table === undefined ? {} : { [constants.ZSTD_c_hashLog]: table }),
    };
    return letGo(zstdCompressSync(raw, { chunkSize: mostBytes(raw), params, info: true }));
  },
};
