// How frames are unfolded, by their codec: in one call, or by a decoder that takes them in pieces.
import type { Transform } from 'node:stream';
import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createZstdDecompress,
  zstdDecompressSync,
} from 'node:zlib';
import { letGo } from '../../shared/let-go.ts';
import { CODECS, type Codec, MAX_FRAME_RAW } from '../../shared/pack.ts';
import { ZstdForm } from '../../shared/zstd-form.ts';

/** Looks at the stored bytes of one frame as they come; throws a Failure `malformed` where they are not in the codec's form. */
export interface FrameForm {
  push(stored: Uint8Array): void;
  end(): void;
}

interface Unfolding {
  /** What the stored bytes of a frame of so many raw bytes have to pass, besides the decoder. */
  readonly form: (rawLength: number) => FrameForm;
  /** The raw bytes, `rawLength` at most; throws where there would be more, or the stored bytes are not of this codec. */
  readonly inOneCall: (stored: Uint8Array, rawLength: number) => Uint8Array;
  /** A decoder that gives out pieces of at most `pieceBytes`; null: stored bytes are raw ones. */
  readonly inPieces: ((pieceBytes: number) => Transform) | null;
}

/** Room behind the last byte, so that the decoder is not asked for a second buffer when the first is exactly full. */
const SLACK = 64;

const anyForm: FrameForm = { push: () => undefined, end: () => undefined };

const outputOf = (rawLength: number) => ({
  maxOutputLength: rawLength,
  chunkSize: rawLength + SLACK,
  info: true,
});

/** No frame needs a larger window than all that it holds. */
const zstdLimits = { params: { [constants.ZSTD_d_windowLogMax]: Math.log2(MAX_FRAME_RAW) } };

export const UNFOLDING: Readonly<Record<Codec, Unfolding>> = {
  [CODECS.stored]: { form: () => anyForm, inOneCall: (stored) => stored, inPieces: null },
  [CODECS.brotli]: {
    form: () => anyForm,
    inOneCall: (stored, rawLength) => letGo(brotliDecompressSync(stored, outputOf(rawLength))),
    inPieces: (chunkSize) => createBrotliDecompress({ chunkSize }),
  },
  [CODECS.zstd]: {
    form: (rawLength) => new ZstdForm(rawLength),
    inOneCall: (stored, rawLength) =>
      letGo(zstdDecompressSync(stored, { ...outputOf(rawLength), ...zstdLimits })),
    inPieces: (chunkSize) => createZstdDecompress({ chunkSize, ...zstdLimits }),
  },
};
