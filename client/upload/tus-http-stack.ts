// tus-js-client's requests over our HttpClient: watched, their bodies let go, and at most a window of bytes unacknowledged.
import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client';
import { ACK_HEADER } from '../../shared/routes.ts';
import { type HttpClient, readText } from '../http/http-client.ts';
import { isBody } from './staged-file.ts';

/**
 * Most bytes on the way without the server's word that they are written: what a cut connection can cost. Three
 * acknowledgement steps; on a line with 50 ms there and back it allows 15 MB/s.
 */
export const WINDOW_BYTES = 786_432;

/** Called when the server says that it has written this many bytes of the upload. */
export type UploadProgress = (offset: number) => void;

interface StackOptions {
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

class StackRequest implements HttpRequest {
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

  async send(body: unknown): Promise<HttpResponse> {
    const slice = isBody(body) ? body : undefined;
    const window = this.#http.acknowledges(this.#url) ? { window: WINDOW_BYTES } : {};
    const response = await this.#http.send({
      method: this.#method,
      url: this.#url,
      headers: { ...this.#headers, ...(slice ? { [ACK_HEADER]: '1' } : {}) },
      signal: AbortSignal.any([this.#abort.signal, this.#options.signal]),
      ...(slice
        ? {
            body: slice,
            ...window,
            onInterim: (headers) => this.#options.onWritten(Number(headers['upload-offset'])),
          }
        : {}),
    });
    const text = await readText(response, 1_048_576);
    const header = (name: string) => response.headers[name.toLowerCase()];
    return {
      getStatus: () => response.status,
      getHeader: (name) => {
        const value = header(name);
        return Array.isArray(value) ? value.join(', ') : value;
      },
      getBody: () => text,
      getUnderlyingObject: () => response,
    } as HttpResponse;
  }

  async abort(): Promise<void> {
    this.#abort.abort();
  }

  getUnderlyingObject(): null {
    return null;
  }
}
