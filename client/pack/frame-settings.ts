// How hard to compress follows the work: fast and in small frames for bulk, hard and in large frames for a day's few megabytes.
import { COARSE } from '../../shared/block.ts';
import { CODECS, type Codec, MAX_FRAME_RAW } from '../../shared/pack.ts';
import type { Compressing, Compression } from './compress.ts';

export interface FrameSettings extends Compression {
  /** Raw bytes in a full frame: whole coarse blocks, at most MAX_FRAME_RAW of shared/pack.ts. */
  readonly rawBytes: number;
  /** Raw bytes handed to the packer at a time: whole frames, since a message costs more than compressing a small one. */
  readonly batchBytes: number;
  /** Frames that shrink less than this are stored: they cost every reader more than they save. */
  readonly worthwhile: number;
  /** Frames whose bytes look like noise (looks-like-noise.ts) are stored untried. */
  readonly skipNoise: boolean;
  /** Stored bytes of the first pack; each after it may be twice as large, until all are as large as packs get (pack-series.ts). */
  readonly firstPackBytes: number;
}

/** How the bytes of a backup are cut up, whatever compresses them. */
type Framing = Pick<FrameSettings, 'worthwhile' | 'skipNoise' | 'firstPackBytes'>;
/** What a codec works with. */
type Compressed = Omit<FrameSettings, keyof Framing>;

const BULK: Framing = {
  worthwhile: 0.93,
  skipNoise: true,
  // The line and the server have something to do at once.
  firstPackBytes: 2 * 1_048_576,
};

const DAY: Framing = {
  worthwhile: 0.98,
  skipNoise: false,
  // Mostly it is the only one.
  firstPackBytes: 16 * 1_048_576,
};

/** Two coarse blocks a frame: the server reads a few changed blocks back at each commit, and then unpacks little else. */
const SMALL_FRAMES = { rawBytes: 2 * COARSE, batchBytes: 1_048_576 };

/** One frame at a time. */
const largeFrames = (rawBytes: number) => ({ rawBytes, batchBytes: rawBytes });

/**
 * Bulk, 256 MiB of store bytes in small frames: brotli 0 takes 0.4 s of processor time at ratio 0.749 (quality 1: a quarter more, for
 * 1 %), zstd 1 0.35 s at 0.744, zstd 3 0.4 s at 0.737, zstd 4 0.5 s at 0.734; to unfold them takes brotli 0.55 s, zstd 0.12 s.
 *
 * A day: the larger the frame, the more alike bytes a compressor sees, and the more memory both sides take. Three days of an
 * Outlook-like store take brotli 5 4.51 MB each and 0.19 s in 6 MiB frames; 4.64 in 4 MiB and 4.48 in 8 MiB; quality 6 gains 1 % for
 * half as much time. They take zstd 12 with a small table 4.46 MB in 6 MiB frames, 4.39 MB and 0.13 s in 8 MiB; with its own table,
 * which is 16 MB, 4.38; zstd 19 4.33 MB and 3.1 s.
 */
const BY_CODEC: Readonly<Record<Compressing, { readonly bulk: Compressed; readonly day: Compressed }>> = {
  [CODECS.brotli]: {
    bulk: { codec: CODECS.brotli, level: 0, window: 18, ...SMALL_FRAMES },
    day: { codec: CODECS.brotli, level: 5, window: 22, ...largeFrames(96 * COARSE) },
  },
  [CODECS.zstd]: {
    bulk: { codec: CODECS.zstd, level: 3, window: 17, ...SMALL_FRAMES },
    day: { codec: CODECS.zstd, level: 12, window: 23, table: 20, ...largeFrames(MAX_FRAME_RAW) },
  },
};

/** New bytes up to which a run counts as a day's work: hard compression of them takes a second or two. */
const DAY_BYTES = 64 * 1_048_576;

/** Settings for a source of `size` bytes of which the server holds `baseSize` in some state, and which reads `codecs`. */
export function frameSettings(size: number, baseSize: number, codecs: ReadonlySet<Codec>): FrameSettings {
  const { bulk, day } = BY_CODEC[codecs.has(CODECS.zstd) ? CODECS.zstd : CODECS.brotli];
  return size - baseSize > DAY_BYTES ? { ...BULK, ...bulk } : { ...DAY, ...day };
}
