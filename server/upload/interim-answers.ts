// What a request on an upload hears before its answer: 103 answers, so that a client knows what is safe and that it is not forgotten.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ACK_BYTES, ACK_HEADER, ACK_MS, ROUTES } from '../../shared/routes.ts';
import type { DurableStore } from './durable-store.ts';

/** Interim answers that nobody reads are not piled up. */
const MOST_UNREAD_BYTES = 16_384;

/**
 * Sends the interim answers of a request on upload `id` (shared/routes.ts says when), to a client that asks for them and to no other.
 * Returns what stops it.
 */
export function answerMeanwhile(
  store: Pick<DurableStore, 'watch'>,
  id: string,
  raw: IncomingMessage,
  response: ServerResponse,
): () => void {
  if (raw.headers[ACK_HEADER] === undefined) return () => undefined;
  if (raw.method === 'PATCH') return tellWritten(store, id, raw, response);
  if (raw.method !== 'HEAD') return () => undefined;
  const timer = setInterval(() => send(response), ACK_MS);
  return () => clearInterval(timer);
}

/** How much of a PATCH is written; and again and again that all is, while the pack waits in one row with those of other devices. */
function tellWritten(
  store: Pick<DurableStore, 'watch'>,
  id: string,
  raw: IncomingMessage,
  response: ServerResponse,
): () => void {
  let told = Number(raw.headers['upload-offset']);
  let written = told;
  const end = told + Number(raw.headers['content-length']);
  /** Runs while there is something to tell that is too little to be told at once, and while the check is waited for. */
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = written === end ? setTimeout(tell, ACK_MS) : undefined;
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
function send(response: ServerResponse, offset?: number): boolean {
  const { socket } = response;
  if (response.headersSent || !socket?.writable || socket.writableLength > MOST_UNREAD_BYTES) return false;
  const written = offset === undefined ? {} : { 'upload-offset': String(offset) };
  // Node sends no 103 without a Link; this one is true and means nothing to anybody.
  response.writeEarlyHints({ link: `<${ROUTES.uploads}>; rel=up`, ...written });
  return true;
}
