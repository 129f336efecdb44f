// What a request on an upload hears before its answer: 103 answers, so that a client knows what is safe and that it is not forgotten.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ACK_BYTES, ACK_HEADER, ACK_MS, ROUTES } from '../../shared/routes.ts';
import type { DurableStore } from './durable-store.ts';

/** Interim answers that nobody reads are not piled up. */
const MOST_UNREAD_BYTES = 16_384;

/** While a pack waits for its check: sooner than a device begins to ask whether there still is a line (client/http/watchdog.ts). */
const WAITING_MS = ACK_MS / 2;
/**
 * So long at most: twice as long as a row of a thousand devices with four packs each takes. A disk that hangs is silent then, and the
 * device says so.
 */
const LONGEST_MS = 900_000;

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
  if (raw.headers[ACK_HEADER] === undefined || raw.method !== 'PATCH') return () => undefined;
  let told = Number(raw.headers['upload-offset']);
  let written = told;
  const end = told + Number(raw.headers['content-length']);
  let left = LONGEST_MS / WAITING_MS;
  /** Runs while there is something to tell that is too little to be told at once, and while the check is waited for. */
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = written === end && left-- > 0 ? setTimeout(tell, WAITING_MS) : undefined;
    if (send(response, written)) told = written;
  };
  const unwatch = store.watch(id, (offset) => {
    written = offset;
    // The last byte is told at once: what follows is the check, and the client may send something else meanwhile.
    if (written - told >= ACK_BYTES || written === end) tell();
    else timer ??= setTimeout(tell, ACK_MS);
  });
  return () => {
    unwatch();
    clearTimeout(timer);
  };
}

/** Whether it could be sent. */
function send(response: ServerResponse, offset: number): boolean {
  const { socket } = response;
  if (response.headersSent || !socket?.writable || socket.writableLength > MOST_UNREAD_BYTES) return false;
  // Node sends no 103 without a Link; this one is true and means nothing to anybody.
  response.writeEarlyHints({ link: `<${ROUTES.uploads}>; rel=up`, 'upload-offset': String(offset) });
  return true;
}
