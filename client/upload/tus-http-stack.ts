// tus-js-client's requests over our HttpClient: watched, their bodies let go, their time taken; with interim answers at most a window is on its way.
import type { HttpStack, HttpRequest as TusRequest, HttpResponse as TusResponse } from 'tus-js-client';
import type { Failure } from '../../shared/failure.ts';
import { INTERIM_HEADER } from '../../shared/routes.ts';
import { isOurs } from '../http/failure-of-answer.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, readText } from '../http/http-client.ts';
import { assertOfServer } from '../http/same-server.ts';
import type { LearntSize } from './learnt-size.ts';
import { isBody } from './staged-file.ts';

/**
 * Most bytes of a request with interim answers, and most that are on the way without the server's word that they are written: what a
 * cut connection can cost. The server says it at each third of the request: the window is larger than that and a piece of a body.
 */
export const INTERIM_REQUEST_BYTES = 2_097_152;
const WINDOW_BYTES = 1_048_576;

/** Called when the server says that it has written this many bytes of the upload. */
export type UploadProgress = (offset: number) => void;

interface StackOptions {
  readonly size: LearntSize;
  /** The way was seen to carry interim answers. */
  readonly interim: boolean;
  /** A request that relied on that broke. */
  readonly doubtInterim: () => void;
  /** The address of the enrolled server: nothing is sent to another. */
  readonly server: string;
  readonly onWritten: UploadProgress;
  /** Ends every request of this stack. */
  readonly signal: AbortSignal;
}

export function tusHttpStack(http: HttpClient, options: StackOptions): HttpStack {
  return {
    getName: () => 'mailferry',
    createRequest: (method, url) => new StackRequest(http, { method, url }, options),
  };
}

/** Whether something on the way gave a request up that the server may have been at. */
function isGatewayFailure(status: number, headers: HttpResponse['headers']): boolean {
  return !isOurs(headers) && (status === 408 || status >= 500);
}

class StackRequest implements TusRequest {
  readonly #http: HttpClient;
  readonly #method: string;
  readonly #url: string;
  readonly #options: StackOptions;
  readonly #headers: Record<string, string> = {};
  readonly #abort = new AbortController();

  constructor(http: HttpClient, { method, url }: { method: string; url: string }, options: StackOptions) {
    this.#http = http;
    this.#method = method;
    this.#url = url;
    this.#options = options;
  }

  getMethod(): string {
    return this.#method;
  }

  getURL(): string {
    return this.#url;
  }

  setHeader(header: string, value: string): void {
    this.#headers[header.toLowerCase()] = value;
  }

  getHeader(header: string): string | undefined {
    return this.#headers[header.toLowerCase()];
  }

  /** Progress comes from the server's own word (onWritten), not from what the socket took. */
  setProgressHandler(): void {}

  async send(body: unknown): Promise<TusResponse> {
    assertOfServer(this.#options.server, this.#url);
    const slice = isBody(body) ? body : undefined;
    const { interim, onWritten } = this.#options;
    const asked = slice !== undefined && interim;
    const request: HttpRequest = {
      method: this.#method,
      url: this.#url,
      headers: { ...this.#headers, ...(asked ? { [INTERIM_HEADER]: '1' } : {}) },
      signal: AbortSignal.any([this.#abort.signal, this.#options.signal]),
      ...(slice ? { body: slice } : {}),
      ...(asked
        ? { window: WINDOW_BYTES, onInterim: (headers) => onWritten(Number(headers['upload-offset'])) }
        : {}),
    };
    const { response, text } = await (slice ? this.#timed(request, slice.length) : this.#waitedFor(request));
    const header = (name: string) => response.headers[name.toLowerCase()];
    return {
      getStatus: () => response.status,
      getHeader: (name) => {
        const value = header(name);
        return Array.isArray(value) ? value.join(', ') : value;
      },
      getBody: () => text,
      getUnderlyingObject: () => response,
    } as TusResponse;
  }

  async #exchange(request: HttpRequest): Promise<{ response: HttpResponse; text: string }> {
    const response = await this.#http.send(request);
    return { response, text: await readText(response, 1_048_576) };
  }

  /** The same for a request without a body: how long an answer takes to come follows from it. */
  async #waitedFor(request: HttpRequest): Promise<{ response: HttpResponse; text: string }> {
    const began = performance.now();
    const answer = await this.#exchange(request);
    this.#options.size.waited(performance.now() - began);
    return answer;
  }

  /** The same for a request with a body of `bytes`: what the next one may have follows from it. */
  async #timed(request: HttpRequest, bytes: number): Promise<{ response: HttpResponse; text: string }> {
    const { size, signal } = this.#options;
    const began = performance.now();
    try {
      const answer = await this.#exchange(request);
      const { status, headers } = answer.response;
      if (status < 300) size.answered(bytes, performance.now() - began);
      else if (isGatewayFailure(status, headers)) this.#broke(false);
      return answer;
    } catch (error) {
      const { code } = error as Failure;
      if (!signal.aborted && (code === 'stalled' || code === 'unreachable')) this.#broke(code === 'stalled');
      throw error;
    }
  }

  #broke(stalled: boolean): void {
    const { size, interim, doubtInterim } = this.#options;
    size.broke(stalled);
    if (interim) doubtInterim();
  }

  async abort(): Promise<void> {
    this.#abort.abort();
  }

  getUnderlyingObject(): null {
    return null;
  }
}
