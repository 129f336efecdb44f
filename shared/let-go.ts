// Lets the compressors of node:zlib go of what they gave out, so that it can be collected when its reader is done with it.

/** What a call of node:zlib answers that was asked for `info: true`. */
interface Answer {
  readonly buffer: Uint8Array;
  readonly engine: { _outBuffer?: unknown };
}

/**
 * The bytes that a call of node:zlib with `info: true` made. Its engine holds the buffer they lie in, and from Node 22 on V8 collects
 * engines only when it looks through the whole heap: by then 64 MiB of such buffers have come together in each thread.
 */
export function letGo(answer: unknown): Uint8Array {
  const { buffer, engine } = answer as Answer;
  engine._outBuffer = null;
  return buffer;
}
