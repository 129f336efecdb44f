// A request's body, sent piece by piece and never more than a window ahead of what the server says it has written.
import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import type { Watchdog } from './watchdog.ts';

/** What a body is sent from: pieces on demand, so that nothing is read before it can be sent. */
export interface BodySource {
  /** Bytes. */
  readonly length: number;
  /** Fills `into` with bytes from `at` as far as there are any; how many. Called in order, one call at a time. */
  read(at: number, into: Uint8Array): Promise<number>;
}

/** How a body waits for the server's word. */
export interface WindowOptions {
  /** Most bytes sent beyond what the server said, in interim responses, that it has written; needs a server that says so. */
  readonly window?: number;
  readonly onInterim?: (headers: IncomingHttpHeaders) => void;
}

/** Bytes handed to the socket at a time. */
const PIECE = 262_144;
/** The same of a small body, whose line may be slow: that a piece was taken is the sign of life of its request. */
const SMALL_PIECE = 65_536;
const SMALL_BODY = 1_048_576;

export function bytesBody(bytes: Uint8Array): BodySource {
  return {
    length: bytes.length,
    read: async (at, into) => {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
  };
}

export async function sendBody(
  outgoing: ClientRequest,
  body: BodySource,
  { window, onInterim }: WindowOptions,
  watchdog: Watchdog,
): Promise<void> {
  const acks = window === undefined ? null : new Acknowledgements(outgoing, onInterim, watchdog);
  let over = false;
  outgoing.once('close', () => {
    over = true;
  });
  outgoing.once('response', () => {
    over = true;
  });
  try {
    // Two buffers take turns: one is read into while the socket has the other, and nothing is left to be collected.
    const piece = body.length > SMALL_BODY ? PIECE : SMALL_PIECE;
    const buffers = [Buffer.allocUnsafeSlow(piece), Buffer.allocUnsafeSlow(piece)];
    const written: Promise<void>[] = [Promise.resolve(), Promise.resolve()];
    for (let at = 0, turn = 0; at < body.length && !over; turn = 1 - turn) {
      if (acks) await acks.room(at, window! - piece);
      await written[turn];
      const length = await body.read(at, buffers[turn]!);
      if (over) break;
      at += length;
      written[turn] = writePiece(outgoing, buffers[turn]!.subarray(0, length));
      // What a socket takes may never arrive: of a line that is frozen it takes no more than fits into its buffers.
      watchdog.alive(false);
    }
    await Promise.all(written);
    if (!over) outgoing.end();
  } catch (error) {
    outgoing.destroy(error as Error);
    throw error;
  }
}

/** What the server said it has written of the body that is being sent. */
class Acknowledgements {
  #bytes = 0;
  #wake: () => void = () => {};
  #closed = false;

  constructor(outgoing: ClientRequest, onInterim: WindowOptions['onInterim'], watchdog: Watchdog) {
    const start = Number(outgoing.getHeader('upload-offset') ?? 0);
    outgoing.on('information', ({ headers }) => {
      watchdog.alive(true);
      const offset = Number(headers['upload-offset'] ?? Number.NaN);
      if (!Number.isSafeInteger(offset)) return;
      this.#bytes = Math.max(this.#bytes, offset - start);
      onInterim?.(headers);
      this.#wake();
    });
    for (const end of ['close', 'response']) {
      outgoing.once(end, () => {
        this.#closed = true;
        this.#wake();
      });
    }
  }

  /** Waits until at most `window` of the `sent` bytes are unacknowledged. */
  async room(sent: number, window: number): Promise<void> {
    while (!this.#closed && sent - this.#bytes > window) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Resolves when the socket needs `bytes` no more: they were taken, or the request is over. */
function writePiece(outgoing: ClientRequest, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once('close', resolve);
    outgoing.write(bytes, () => {
      outgoing.off('close', resolve);
      resolve();
    });
  });
}
