// Requests that Node's parser gives up: answered as every other refusal is, with the limit named, and the connection ended.
import type { Socket } from 'node:net';
import { Failure } from '../../shared/failure.ts';
import { MAX_HEADER_BYTES } from '../limits.ts';
import { type Answer, PROBLEM_TYPE, problemOf, withStatus } from './problem.ts';

/** How long a client may go on sending what was refused already, before its connection is cut. */
const LINGER_MS = 1_000;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

const answered = new WeakSet<Socket>();

/** Answers on the socket itself, where `mayAnswer`: nothing of another answer is on it. Ends the connection in any case. */
export function refuseUnparsed(error: Error, socket: Socket, mayAnswer: boolean): void {
  // More of the same request is an error again.
  if (answered.has(socket)) return;
  answered.add(socket);
  const { code } = error as NodeJS.ErrnoException;
  if (!mayAnswer || !socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  socket.end(textOf(answerOf(code)));
  if (code !== 'HPE_HEADER_OVERFLOW') {
    socket.destroySoon();
    return;
  }
  // Cut at once, what the client sends would wipe the answer out.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

function answerOf(code: string | undefined): Answer {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const text = `The request line and the headers have more than ${MAX_HEADER_BYTES} bytes.`;
    return withStatus(
      431,
      problemOf(new Failure('too_large', text, { detail: { limit: MAX_HEADER_BYTES } })),
    );
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return withStatus(408, problemOf(new Failure('malformed', 'The request did not come in time.')));
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return withStatus(
      413,
      problemOf(new Failure('too_large', 'The chunks of the body carry too much else.')),
    );
  return problemOf(new Failure('malformed', 'This is no request of HTTP/1.1.'));
}

function textOf({ status, headers, body }: Answer): string {
  const text = JSON.stringify(body);
  const all = {
    ...headers,
    'cache-control': 'private, no-store',
    connection: 'close',
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(text)),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\n${lines.join('')}\r\n${text}`;
}
