// What a request on an upload hears before its answer: 103 answers, so that a client knows what is safe and that it is not forgotten.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Failure } from '../../shared/failure.ts';
import {
  ACK_BYTES,
  ACK_HEADER,
  ACK_MS,
  INTERIM_HEADER,
  INTERIM_MOST,
  INTERIM_SLOW_MS,
  ROUTES,
} from '../../shared/routes.ts';
import type { DurableStore } from './durable-store.ts';

/** Interim answers that nobody reads are not piled up. */
const MOST_UNREAD_BYTES = 16_384;

/** When a request hears something. */
interface Rhythm {
  /** Bytes that are told at once. */
  readonly step: number;
  /** Fewer are told after so long. */
  readonly slowMs: number;
  /** While a pack waits for its check. */
  readonly waitingMs: number;
  /** Answers, and those of them that come while the pack waits. */
  readonly most: number;
  readonly mostWaiting: number;
}

/** For a device of 0.1 that waits: sooner than it begins to ask whether there still is a line. */
const WAITING_MS = ACK_MS / 2;
/**
 * So long at most: twice as long as a row of a thousand devices with four packs each takes. A disk that hangs is silent then, and the
 * device says so.
 */
const LONGEST_MS = 900_000;

const OLD_RHYTHM: Rhythm = {
  step: ACK_BYTES,
  slowMs: ACK_MS,
  waitingMs: WAITING_MS,
  most: Number.POSITIVE_INFINITY,
  mostWaiting: LONGEST_MS / WAITING_MS,
};

/** What a request with these headers asks for; `bytes` of its body. */
function rhythmOf(headers: IncomingMessage['headers'], bytes: number): Rhythm | null {
  if (headers[INTERIM_HEADER] !== undefined) {
    const step = Math.max(ACK_BYTES, Math.ceil(bytes / (INTERIM_MOST - 1)));
    return {
      step,
      slowMs: INTERIM_SLOW_MS,
      waitingMs: ACK_MS,
      most: INTERIM_MOST,
      mostWaiting: INTERIM_MOST,
    };
  }
  return headers[ACK_HEADER] === undefined ? null : OLD_RHYTHM;
}

/**
 * Sends the interim answers of a PATCH of upload `id` (shared/routes.ts says when), to a client that asks for them and to no other.
 * Returns what stops it.
 */
export function answerMeanwhile(
  store: Pick<DurableStore, 'watch'>,
  id: string,
  raw: IncomingMessage,
  response: ServerResponse,
): () => void {
  const bytes = Number(raw.headers['content-length']);
  const rhythm = raw.method === 'PATCH' ? rhythmOf(raw.headers, bytes) : null;
  if (!rhythm) return () => undefined;
  let told = Number(raw.headers['upload-offset']);
  let written = told;
  const end = told + bytes;
  let left = rhythm.most;
  let leftWaiting = rhythm.mostWaiting;
  /** Runs while there is something to tell that is too little to be told at once, and while the check is waited for. */
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = undefined;
    // The last one is kept for the last byte.
    if (left <= 0 || (left === 1 && written < end)) return;
    if (written === end && leftWaiting-- > 0) timer = setTimeout(tell, rhythm.waitingMs);
    if (!send(response, written)) return;
    told = written;
    left--;
  };
  const unwatch = store.watch(id, (offset) => {
    written = offset;
    // The last byte is told at once: what follows is the check, and the client may send something else meanwhile.
    if (written - told >= rhythm.step || written === end) tell();
    else timer ??= setTimeout(tell, rhythm.slowMs);
  });
  return () => {
    unwatch();
    clearTimeout(timer);
  };
}

/** More is no question whether interim answers arrive. */
const MOST_SHOWN_BYTES = 16;

/** Shows a client whether interim answers reach it in the middle of a body: one at its first byte, and the answer behind its last one. */
export async function showInterim({ raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  let bytes = 0;
  for await (const part of raw) {
    if (bytes === 0) send(reply.raw, 0);
    bytes += (part as Buffer).length;
    if (bytes > MOST_SHOWN_BYTES)
      throw new Failure('too_large', `This request takes a body of at most ${MOST_SHOWN_BYTES} bytes.`, {
        detail: { limit: MOST_SHOWN_BYTES },
      });
  }
  return reply
    .code(204)
    .header(INTERIM_HEADER, String(INTERIM_MOST))
    .header('cache-control', 'no-store')
    .send();
}

/** Whether it could be sent. */
function send(response: ServerResponse, offset: number): boolean {
  const { socket } = response;
  // Who closes the connection after the answer (each HTTP/1.0 client, nginx as it comes) may take this for it and the rest for its body.
  if (!response.shouldKeepAlive) return false;
  if (response.headersSent || !socket?.writable || socket.writableLength > MOST_UNREAD_BYTES) return false;
  // Node sends no 103 without a Link; this one is true and means nothing to anybody.
  response.writeEarlyHints({ link: `<${ROUTES.uploads}>; rel=up`, 'upload-offset': String(offset) });
  return true;
}
