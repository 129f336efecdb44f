// The device's view of the server: every call but the uploads, answers parsed, problems turned into Failures.

import type { z } from 'zod';
import { Failure, type FailureCode, isFailureCode } from '../../shared/failure.ts';
import {
  type CommitRequest,
  EnrolResponse,
  Problem,
  ROUTES,
  VersionList,
  VersionSummary,
} from '../../shared/protocol.ts';
import { type HttpClient, type HttpResponse, readText } from './http-client.ts';

/** How a status is understood where the answer is not a problem of ours: a proxy's, or tus's own. */
const STATUS_CODES: Readonly<Record<number, FailureCode>> = {
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not_found',
  410: 'upload_gone',
  413: 'too_large',
  423: 'busy',
  429: 'busy',
  502: 'unreachable',
  503: 'busy',
  504: 'unreachable',
  507: 'server_full',
};

/** The Failure that an answer with an error status stands for; `detail.retryAfterMs` where the server said how long. */
export function failureOf(status: number, headers: HttpResponse['headers'], text: string): Failure {
  const retryAfter = Number(headers['retry-after']);
  const wait = Number.isFinite(retryAfter) && retryAfter >= 0 ? { retryAfterMs: retryAfter * 1000 } : {};
  try {
    const problem = Problem.parse(JSON.parse(text));
    if (isFailureCode(problem.code)) {
      return new Failure(problem.code, problem.title, { detail: { ...problem.detail, ...wait, status } });
    }
  } catch {
    // Not a problem of ours: the status has to do.
  }
  // Whoever answers so is not a server of ours, or not now: nothing is given up for its word.
  const code = STATUS_CODES[status] ?? 'busy';
  return new Failure(code, `The server answered ${status}.`, { detail: { ...wait, status } });
}

export class ServerClient {
  readonly #http: HttpClient;
  readonly #server: string;
  readonly #credential: string | null;

  constructor(http: HttpClient, server: string, credential: string | null) {
    this.#http = http;
    this.#server = server.replace(/\/+$/, '');
    this.#credential = credential;
  }

  url(route: string): string {
    return this.#server + route;
  }

  get headers(): Record<string, string> {
    return this.#credential ? { authorization: `Bearer ${this.#credential}` } : {};
  }

  /** Any answer below 400; a Failure for the others. */
  async request(
    method: string,
    route: string,
    options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<HttpResponse> {
    const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const response = await this.#http.send({
      method,
      url: this.url(route),
      headers: {
        ...this.headers,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...options.headers,
      },
      ...(body ? { body } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (response.status < 400) return response;
    throw failureOf(response.status, response.headers, await readText(response, 1_048_576));
  }

  async #json<T>(response: HttpResponse, schema: z.ZodType<T>): Promise<T> {
    const text = await readText(response);
    try {
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      throw new Failure(
        'unreachable',
        'What answered is not Mailferry; perhaps the network wants you to log in.',
        { cause },
      );
    }
  }

  async enrol(token: string, name: string): Promise<EnrolResponse> {
    return this.#json(await this.request('POST', ROUTES.devices, { body: { token, name } }), EnrolResponse);
  }

  /** Whether the server holds a pack, checked and durable. */
  async knowsPack(id: string): Promise<boolean> {
    try {
      const response = await this.request('HEAD', ROUTES.pack(id));
      response.body.resume();
      return true;
    } catch (error) {
      if (error instanceof Failure && error.code === 'not_found') return false;
      throw error;
    }
  }

  /** Asks for the receipt of a version. Idempotent: the same commit gets the same receipt. */
  async commit(id: string, commit: CommitRequest): Promise<VersionSummary> {
    return this.#json(await this.request('PUT', ROUTES.version(id), { body: commit }), VersionSummary);
  }

  /** Newest first. `partial`: checkpoints too. */
  async versions(query: { path?: string; partial?: boolean; limit?: number }): Promise<VersionSummary[]> {
    const words = new URLSearchParams();
    if (query.path !== undefined) words.set('path', query.path);
    if (query.partial) words.set('partial', 'true');
    if (query.limit) words.set('limit', String(query.limit));
    const response = await this.request('GET', `${ROUTES.versions}?${words}`);
    return (await this.#json(response, VersionList)).versions;
  }

  /** The coarse hashes of a version, 32 bytes each, as a stream. */
  async fingerprint(id: string): Promise<HttpResponse> {
    return this.request('GET', ROUTES.fingerprint(id));
  }
}
