// HTTP requests that can't hang: a watchdog ends one that is silent, its body is always let go, connections are kept.
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Failure } from '../../shared/failure.ts';
import { Agents } from './agents.ts';
import { watchConnection } from './connection-failure.ts';
import { InterimWays } from './interim-ways.ts';
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
  /** It only reads, whatever its method. */
  readonly isQuestion?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body, to be read or destroyed. Silence of STALL_MS destroys it with a Failure `stalled`. */
  readonly body: IncomingMessage;
}

/** Requests that get a connection of their own after one broke that was used again. */
const FRESH_REQUESTS = 64;
/** Sent again at once where that happens: what they do twice they do once. A PATCH asks first where it goes on. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT']);

export class HttpClient {
  readonly #agents = new Agents();
  readonly #stallMs: number;
  readonly #line: LineObserver | undefined;
  readonly #way: Way;
  /** Whether interim answers may be asked for. */
  readonly interim: InterimWays = new InterimWays((stallMs) => this.apart(stallMs));
  /** How many of the next requests use no connection again, by origin. */
  readonly #fresh = new Map<string, number>();
  /** Where a connection that was used again gave an answer, and none broke since. */
  readonly #reusable = new Set<string>();
  /** How often every connection was broken from here. */
  #closings = 0;

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
    this.#closings++;
    this.#agents.reset();
  }

  /** Closes idle connections and breaks the others: what is under way fails and is resumed by whoever wants it. */
  close(): void {
    this.#closings++;
    this.#agents.destroy();
  }

  /**
   * Sends one request. Failures: `unreachable` (with the cause), `tls_untrusted`, `tls_failed`, `proxy_failed`, `stalled`. Every status
   * is an answer, not a failure.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const { origin } = new URL(request.url);
    const fresh = this.#fresh.get(origin) ?? 0;
    if (fresh > 0) this.#fresh.set(origin, fresh - 1);
    const use = { reused: false };
    const closings = this.#closings;
    try {
      const response = await this.#send(request, fresh > 0, use);
      if (use.reused) this.#reusable.add(origin);
      return response;
    } catch (error) {
      if (!use.reused || request.signal?.aborted || closings !== this.#closings) throw error;
      // The connection, not the server: where none took a second request since the last break, none gets one for a while.
      if (!this.#reusable.delete(origin)) this.#fresh.set(origin, FRESH_REQUESTS);
      const isRepeatable = REPEATABLE.has(request.method) || request.isQuestion === true;
      if (!isReset(error) || !isRepeatable) throw error;
      return this.#send(request, true, use);
    }
  }

  /** `fresh`: on a connection that nothing was sent on before; `use.reused`: whether it was another one. */
  async #send(request: HttpRequest, fresh: boolean, use: { reused: boolean }): Promise<HttpResponse> {
    const url = new URL(request.url);
    const secure = url.protocol === 'https:';
    const body = request.body instanceof Uint8Array ? bytesBody(request.body) : request.body;
    const headers = { ...request.headers, ...(body ? { 'content-length': String(body.length) } : {}) };
    const proxy = this.#way.proxy(url);
    const trusted = () => ({ secureContext: trustedContext(this.#way.caCertificates) });
    const agent = await this.#agents.of(url, { proxy, trusted, fresh });
    const outgoing = (secure ? https : http).request(url, {
      method: request.method,
      headers,
      agent,
      ...(secure ? trusted() : {}),
      ...(request.signal ? { signal: request.signal } : {}),
    });
    outgoing.once('close', () => this.#agents.over(agent));
    // A request waits for nobody's next one: without this the last bytes of a body may wait for an acknowledgement.
    outgoing.setNoDelay(true);
    const failureFrom = watchConnection(outgoing, { url, proxy, now: this.#way.now });
    limitConnecting(outgoing, url);
    const watchdog = new Watchdog(this.#stallMs, this.#line, () => outgoing.destroy(stalled(url)));
    try {
      const answered = answerTo(outgoing, watchdog, url, failureFrom);
      answered.catch(() => {});
      // A server may refuse before it has read everything: its answer counts, not that the rest could not be sent.
      if (body) await Promise.race([answered, sendBody(outgoing, body, request, watchdog)]);
      else outgoing.on('information', ({ headers }) => request.onInterim?.(headers)).end();
      const response = await answered;
      use.reused = outgoing.reusedSocket;
      response.setTimeout(this.#stallMs, () => response.destroy(stalled(url)));
      return { status: response.statusCode ?? 0, headers: response.headers, body: response };
    } catch (error) {
      use.reused = outgoing.reusedSocket;
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

/** Whether the other side ended the connection. */
function isReset(error: unknown): boolean {
  const { code } = ((error as Failure).cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
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
    // More than once where a proxy is silent: see watchProxy().
    outgoing.on('error', (cause) => reject(failureFrom(cause)));
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
