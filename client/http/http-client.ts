// HTTP requests that can't hang: a watchdog ends one that is silent, its body is always let go, connections are kept.
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Failure } from '../../shared/failure.ts';
import { watchConnection } from './connection-failure.ts';
import { type BodySource, bytesBody, sendBody, type WindowOptions } from './send-body.ts';
import { trustedContext } from './trusted-certificates.ts';
import { type LineObserver, Watchdog } from './watchdog.ts';
import { PLAIN_WAY, type Way } from './way.ts';

/**
 * A request without a sign of life for this long is over. Shorter than the 30 s in which a frozen line has to be noticed,
 * longer than a server needs to check a pack.
 */
export const STALL_MS = 20_000;

/**
 * A connection that is not there after this long is tried anew: the system repeats its first packet after 1 s and 3 s, then too
 * seldom to notice in time that the line is back (RFC 6298).
 */
const CONNECT_MS = 4_000;
/** What the system says where there is no line at all. */
const NO_LINE = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

export interface HttpRequest extends WindowOptions {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodySource | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body, to be read or destroyed. Silence of STALL_MS destroys it with a Failure `stalled`. */
  readonly body: IncomingMessage;
}

const AGENT = { keepAlive: true, maxSockets: 8 };

export class HttpClient {
  #plain = new http.Agent(AGENT);
  #secure = new https.Agent(AGENT);
  readonly #stallMs: number;
  readonly #line: LineObserver | undefined;
  readonly #way: Way;
  readonly #silent = new Set<string>();

  constructor(options: { readonly stallMs?: number; readonly line?: LineObserver; readonly way?: Way } = {}) {
    this.#stallMs = options.stallMs ?? STALL_MS;
    this.#line = options.line;
    this.#way = options.way ?? PLAIN_WAY;
  }

  /** Another client that goes the same way, with connections of its own, which bears silence for `stallMs`. */
  apart(stallMs: number): HttpClient {
    return new HttpClient({ stallMs, way: this.#way });
  }

  /** Breaks every connection, idle ones too, which may be dead without knowing: the next request makes its own. */
  reset(): void {
    this.close();
    this.#plain = new http.Agent(AGENT);
    this.#secure = new https.Agent(AGENT);
  }

  /** Closes idle connections and breaks the others: what is under way fails and is resumed by whoever wants it. */
  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  /** Whether a server acknowledges what it has written while a body is on its way; believed until it did not. */
  acknowledges(url: string): boolean {
    return !this.#silent.has(new URL(url).origin);
  }

  async #sendBody(
    outgoing: ClientRequest,
    body: BodySource,
    request: HttpRequest,
    watchdog: Watchdog,
  ): Promise<void> {
    const given = await sendBody(outgoing, body, request, watchdog);
    if (!given) this.#silent.add(new URL(request.url).origin);
  }

  /** Sends one request. Failures: `unreachable` (with the cause), `tls_untrusted`, `tls_failed`, `stalled`. Every status is an answer, not a failure. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const url = new URL(request.url);
    const secure = url.protocol === 'https:';
    const body = request.body instanceof Uint8Array ? bytesBody(request.body) : request.body;
    const headers = { ...request.headers, ...(body ? { 'content-length': String(body.length) } : {}) };
    const outgoing = (secure ? https : http).request(url, {
      method: request.method,
      headers,
      agent: secure ? this.#secure : this.#plain,
      ...(secure ? { secureContext: trustedContext(this.#way.caCertificates) } : {}),
      ...(request.signal ? { signal: request.signal } : {}),
    });
    // A request waits for nobody's next one: without this the last bytes of a body may wait for an acknowledgement.
    outgoing.setNoDelay(true);
    const failureFrom = watchConnection(outgoing, url, this.#way.now);
    limitConnecting(outgoing, url);
    const watchdog = new Watchdog(this.#stallMs, this.#line, () => outgoing.destroy(stalled(url)));
    try {
      const answered = answerTo(outgoing, watchdog, url, failureFrom);
      answered.catch(() => {});
      // A server may refuse before it has read everything: its answer counts, not that the rest could not be sent.
      if (body) await Promise.race([answered, this.#sendBody(outgoing, body, request, watchdog)]);
      else outgoing.end();
      const response = await answered;
      response.setTimeout(this.#stallMs, () => response.destroy(stalled(url)));
      return { status: response.statusCode ?? 0, headers: response.headers, body: response };
    } catch (error) {
      if (isNoLine(error)) this.#line?.suspect(true);
      throw error;
    } finally {
      watchdog.stop();
    }
  }
}

/** Whether a failed request means that there is no line, and not only that this connection broke. */
function isNoLine(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return error.code === 'stalled' || NO_LINE.has(code ?? '');
}

/** Ends a request whose connection is not made in time. */
function limitConnecting(outgoing: ClientRequest, url: URL): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return;
    const cause = Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' });
    const message = `${url.origin} can't be reached: no connection within ${CONNECT_MS / 1000} s.`;
    const timer = setTimeout(
      () => outgoing.destroy(new Failure('unreachable', message, { cause })),
      CONNECT_MS,
    );
    for (const end of ['connect', 'close']) socket.once(end, () => clearTimeout(timer));
  });
}

function stalled(url: URL): Failure {
  return new Failure('stalled', `${url.origin} was silent for too long.`);
}

function answerTo(
  outgoing: ClientRequest,
  watchdog: Watchdog,
  url: URL,
  failureFrom: (cause: Error) => Failure,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', (response) => {
      watchdog.alive(true);
      resolve(response);
    });
    outgoing.once('error', (cause) => reject(failureFrom(cause)));
    outgoing.once('close', () => {
      reject(new Failure('unreachable', `${url.origin} closed the connection without an answer.`));
    });
  });
}

/** Reads a whole small body as text; a Failure `malformed` past `most` bytes. */
export async function readText(response: HttpResponse, most = 67_108_864): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response.body) {
      length += (part as Buffer).length;
      if (length > most)
        throw new Failure('malformed', 'The server answered with more than can be an answer.');
      parts.push(part as Buffer);
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('unreachable', 'The connection broke in the middle of an answer.', { cause });
  }
  return Buffer.concat(parts).toString('utf8');
}
