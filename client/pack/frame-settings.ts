// How hard to compress follows the work: fast and in small frames for bulk, hard and in large frames for a day's few megabytes.
import { COARSE } from '../../shared/block.ts';

export interface FrameSettings {
  /** Raw bytes in a full frame: whole coarse blocks, at most MAX_FRAME_RAW of shared/pack.ts. */
  readonly rawBytes: number;
  /** Raw bytes handed to the packer at a time: whole frames, since a message costs more than compressing a small one. */
  readonly batchBytes: number;
  /** Brotli quality, 0 to 11. */
  readonly quality: number;
  /** Brotli window, log2 of bytes: no larger than a frame. */
  readonly window: number;
  /** Frames that shrink less than this are stored: they cost every reader more than they save. */
  readonly worthwhile: number;
  /** Frames whose bytes look like noise (looks-like-noise.ts) are stored untried. */
  readonly skipNoise: boolean;
  /** Stored bytes of the first pack; each after it may be twice as large, until all are as large as packs get (pack-series.ts). */
  readonly firstPackBytes: number;
}

/**
 * Two coarse blocks a frame: the server reads a few changed blocks back at each commit, and then unpacks little else.
 * Quality 0 takes 540 MB a CPU second at ratio 1.44 on real store bytes; quality 1 takes 420 at 1.45.
 */
const BULK: FrameSettings = {
  rawBytes: 2 * COARSE,
  batchBytes: 1_048_576,
  quality: 0,
  window: 18,
  worthwhile: 0.93,
  skipNoise: true,
  // The line and the server have something to do at once.
  firstPackBytes: 2 * 1_048_576,
};

/**
 * The larger the frame, the more alike bytes a compressor sees, and the more memory both sides take: three days of an Outlook-like
 * store take 4.51 MB each in 6 MiB frames at quality 5, 4.64 in 4 MiB and 4.48 in 8 MiB; quality 6 gains 1 % for half as much time.
 */
const DAY: FrameSettings = {
  rawBytes: 96 * COARSE,
  batchBytes: 96 * COARSE,
  quality: 5,
  window: 22,
  worthwhile: 0.98,
  skipNoise: false,
  // Mostly it is the only one.
  firstPackBytes: 16 * 1_048_576,
};

/** New bytes up to which a run counts as a day's work: hard compression of them takes a second or two. */
const DAY_BYTES = 64 * 1_048_576;

/** Settings for a source of `size` bytes of which the server holds `baseSize` in some state. */
export function frameSettings(size: number, baseSize: number): FrameSettings {
  return size - baseSize > DAY_BYTES ? BULK : DAY;
}
