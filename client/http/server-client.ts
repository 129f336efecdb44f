// The device's view of the server: every call but the uploads, answers parsed, problems turned into Failures.

import { Failure } from '../../shared/failure.ts';
import type { EnrolResponse, SourceKind, VersionSummary } from '../../shared/protocol.ts';
import { ROUTES } from '../../shared/routes.ts';
import type * as z from '../../shared/schema.ts';
import { HttpClient, type HttpResponse, readText } from './http-client.ts';

type Schemas = typeof import('../../shared/protocol.ts');

interface Stoppable {
  readonly signal?: AbortSignal;
}

export class ServerClient {
  readonly #http: HttpClient;
  readonly #server: string;
  #credential: string | null;
  readonly #newCredential: () => Promise<string | null>;

  /** `newCredential`: asked where the server refuses the one in use; one that was put in its place since, or null. */
  constructor(
    http: HttpClient,
    server: string,
    credential: string | null,
    newCredential: () => Promise<string | null> = async () => null,
  ) {
    this.#http = http;
    this.#server = server.replace(/\/+$/, '');
    this.#credential = credential;
    this.#newCredential = newCredential;
  }

  url(route: string): string {
    return this.#server + route;
  }

  /** Takes up a credential that was put in place of the one in use; whether there was one. */
  async renew(): Promise<boolean> {
    const credential = await this.#newCredential();
    if (credential === null || credential === this.#credential) return false;
    this.#credential = credential;
    return true;
  }

  /** Whether the server answers in `ms`, on a connection of its own, so that a dead one does not speak for the line. */
  async probe(ms: number): Promise<boolean> {
    const http = new HttpClient({ stallMs: ms });
    try {
      const response = await http.send({ method: 'GET', url: this.url('/healthz') });
      response.body.resume();
      return response.status < 500;
    } catch {
      return false;
    } finally {
      http.close();
    }
  }

  get headers(): Record<string, string> {
    return this.#credential ? { authorization: `Bearer ${this.#credential}` } : {};
  }

  /** Any answer below 400; a Failure for the others. `body`: JSON, as bytes or what becomes it. */
  async request(
    method: string,
    route: string,
    options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<HttpResponse> {
    const body = bytesOf(options.body);
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
    const { failureOf } = await import('./failure-of-answer.ts');
    const failure = failureOf(response.status, response.headers, await readText(response, 1_048_576));
    if (failure.code === 'unauthorized' && (await this.renew())) return this.request(method, route, options);
    throw failure;
  }

  /** The parsers are loaded with the first answer: a look that finds nothing new needs none, and they take longer than it. */
  async #json<T>(response: HttpResponse, schema: (schemas: Schemas) => z.ZodType<T>): Promise<T> {
    const [text, schemas] = await Promise.all([readText(response), import('../../shared/protocol.ts')]);
    try {
      return schema(schemas).parse(JSON.parse(text));
    } catch (cause) {
      throw new Failure(
        'unreachable',
        'What answered is not Mailferry; perhaps the network wants you to log in.',
        { cause },
      );
    }
  }

  /** Spends a token; `device`: who asks for a new credential. */
  async enrol(token: string, name: string, device?: string): Promise<EnrolResponse> {
    return this.#json(
      await this.request('POST', ROUTES.devices, { body: { token, name, device } }),
      (schemas) => schemas.EnrolResponse,
    );
  }

  /** Whether the server holds a pack, checked and durable. */
  async knowsPack(id: string, options: Stoppable = {}): Promise<boolean> {
    try {
      const response = await this.request('GET', ROUTES.pack(id), options);
      // A network that wants a login answers everything with a page and 200: only the id in the answer counts.
      return (await readText(response, 65_536)).includes(`"${id}"`);
    } catch (error) {
      if (error instanceof Failure && error.code === 'not_found') return false;
      throw error;
    }
  }

  /** Asks for the receipt of a version; `body` of commitBody(). Idempotent: the same commit gets the same receipt. */
  async commit(id: string, body: Uint8Array, options: Stoppable = {}): Promise<VersionSummary> {
    return this.#json(
      await this.request('PUT', ROUTES.version(id), { ...options, body }),
      (schemas) => schemas.VersionSummary,
    );
  }

  /** Newest first; what was not asked for is left out, whatever the server says. `partial`: checkpoints too. */
  async versions(
    query: { path?: string; kind?: SourceKind; partial?: boolean; limit?: number },
    options: Stoppable = {},
  ): Promise<VersionSummary[]> {
    const words = new URLSearchParams();
    if (query.path !== undefined) words.set('path', query.path);
    if (query.kind !== undefined) words.set('kind', query.kind);
    if (query.partial) words.set('partial', 'true');
    if (query.limit) words.set('limit', String(query.limit));
    const response = await this.request('GET', `${ROUTES.versions}?${words}`, options);
    const { versions } = await this.#json(response, (schemas) => schemas.VersionList);
    return versions.filter(
      ({ path, kind }) => path === (query.path ?? path) && kind === (query.kind ?? kind),
    );
  }

  /** The coarse hashes of a version, 32 bytes each, as a stream. */
  async fingerprint(id: string, options: Stoppable = {}): Promise<HttpResponse> {
    return this.request('GET', ROUTES.fingerprint(id), options);
  }
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body === undefined || body instanceof Uint8Array) return body;
  return Buffer.from(JSON.stringify(body));
}
