// The device's view of the server: every call but the uploads, answers parsed, problems turned into Failures.

import { Failure } from '../../shared/failure.ts';
import { type Codec, codecsIn } from '../../shared/pack.ts';
import type { EnrolResponse, SourceKind, VersionSummary } from '../../shared/protocol.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { CODECS_HEADER, ROUTES } from '../../shared/routes.ts';
import type * as z from '../../shared/schema.ts';
import { type HttpClient, type HttpResponse, readText } from './http-client.ts';
import { isRedirect, movedTo } from './redirect.ts';

type Schemas = typeof import('../../shared/protocol.ts');

/** Most characters of a URL's path and query: what every proxy takes, the smallest buffers of which hold 4 KiB with all headers. */
const LONGEST_QUERY = 2_000;

/** A server that moved twice while a device was away is found; one that leads in circles is not. */
export const MOST_HOPS = 3;

interface Stoppable {
  readonly signal?: AbortSignal;
}

/** Which versions are asked for; see VersionQuery in shared/protocol.ts. `limit`: on a page. */
export interface VersionsAsked {
  readonly path?: string | undefined;
  readonly kind?: SourceKind | undefined;
  readonly at?: string | undefined;
  readonly newest?: 'each' | undefined;
  readonly id?: string | undefined;
  readonly partial?: boolean | undefined;
  readonly limit?: number | undefined;
}

export class ServerClient {
  readonly #http: HttpClient;
  #server: string;
  #credential: string | null;
  readonly #newCredential: () => Promise<string | null>;
  readonly #now: (() => number) | undefined;
  readonly #codecsHeard: (codecs: ReadonlySet<Codec>) => void;
  #follow: (to: string) => Promise<string> = async (to) => {
    throw new Failure('answer_refused', `${this.#server} has moved to ${to}.`);
  };
  #following: Promise<void> | undefined;
  #clockAheadMs: number | null = null;
  /** Whether the server takes questions in a body; believed until it did not. */
  #searches = true;

  /**
   * `newCredential`: asked where the server refuses the one in use; one that was put in its place since, or null. `now`: ms since
   * 1970, for `clockAheadMs`. `codecsHeard`: told with each answer that is the server's beyond doubt which codecs it reads.
   */
  constructor(
    http: HttpClient,
    server: string,
    credential: string | null,
    newCredential: () => Promise<string | null> = async () => null,
    now?: () => number,
    codecsHeard: (codecs: ReadonlySet<Codec>) => void = () => undefined,
  ) {
    this.#http = http;
    this.#server = server.replace(/\/+$/, '');
    this.#credential = credential;
    this.#newCredential = newCredential;
    this.#now = now;
    this.#codecsHeard = codecsHeard;
  }

  /** By how much this machine's clock was ahead of the server's at its last good answer, ms; null: it is not known. */
  get clockAheadMs(): number | null {
    return this.#clockAheadMs;
  }

  url(route: string): string {
    return this.#server + route;
  }

  /**
   * The route that url() makes `url` of: what is kept of an upload, so that the server may move. A Failure `unreachable` where it leads to
   * another server, or out of the path that this one lies under: the credential goes nowhere else.
   */
  routeOf(url: string): string {
    const server = new URL(this.#server);
    const { origin, pathname, search } = new URL(url, server);
    const base = server.pathname.replace(/\/+$/, '');
    if (origin !== server.origin || !pathname.startsWith(`${base}/`)) {
      throw new Failure(
        'unreachable',
        `${this.#server} names ${origin}${pathname} for an upload, which is not below it; the server's --base-path may be missing.`,
      );
    }
    return pathname.slice(base.length) + search;
  }

  /** `follow`: keeps the address that the server moved to and returns it, or throws the Failure that says why it is not followed. */
  whenMoved(follow: (to: string) => Promise<string>): void {
    this.#follow = follow;
  }

  /** Goes on at the address that the answer of `from` to `route` names; a Failure where it is not followed. */
  async follow(from: string, route: string, status: number, location: string | undefined): Promise<void> {
    // Several requests may hear of it, one after the other.
    if (from !== this.#server) return;
    const to = movedTo(from, route, status, location);
    this.#following ??= this.#follow(to)
      .then((proven) => {
        this.#server = proven;
      })
      .finally(() => {
        this.#following = undefined;
      });
    await this.#following;
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
    const http = this.#http.apart(ms);
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

  /**
   * Any answer below 400; a Failure for the others. `body`: JSON, as bytes or what becomes it. An address that the server moved to for good
   * is followed, at most MOST_HOPS times.
   */
  async request(
    method: string,
    route: string,
    options: {
      body?: unknown;
      headers?: Record<string, string>;
      signal?: AbortSignal;
      isQuestion?: boolean;
      hops?: number;
    } = {},
  ): Promise<HttpResponse> {
    const body = bytesOf(options.body);
    const from = this.#server;
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
      ...(options.isQuestion ? { isQuestion: true } : {}),
    });
    if (isRedirect(response.status)) {
      response.body.resume();
      if (options.hops === MOST_HOPS) throw new Failure('answer_refused', `${this.#server} leads nowhere.`);
      await this.follow(from, route, response.status, response.headers.location);
      return this.request(method, route, { ...options, hops: (options.hops ?? 0) + 1 });
    }
    if (response.status < 400) {
      // Whole seconds (RFC 9110 6.6.1).
      const theirs = Date.parse(response.headers.date ?? '');
      if (this.#now && !Number.isNaN(theirs)) this.#clockAheadMs = this.#now() - theirs;
      return response;
    }
    const { failureOf } = await import('./failure-of-answer.ts');
    const failure = failureOf(response.status, response.headers, await readText(response, 1_048_576));
    if (failure.code === 'unauthorized' && (await this.renew())) return this.request(method, route, options);
    throw failure;
  }

  /** The parsers are loaded with the first answer: a look that finds nothing new needs none, and they take longer than it. */
  async #json<T>(response: HttpResponse, schema: (schemas: Schemas) => z.ZodType<T>): Promise<T> {
    const [text, schemas] = await Promise.all([readText(response), import('../../shared/protocol.ts')]);
    try {
      const answer = schema(schemas).parse(JSON.parse(text));
      this.#codecsHeard(codecsIn(textOf(response.headers[CODECS_HEADER])));
      return answer;
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

  /**
   * Every version that is asked for, however many there are, page by page: newest first in the server's order, or with `newest` in the
   * order of the paths. What was not asked for is left out, whatever the server says. Failures are those of the server; a list never
   * ends early without one.
   */
  async *versions(query: VersionsAsked, options: Stoppable = {}): AsyncGenerator<VersionSummary> {
    const words = new URLSearchParams();
    for (const name of ['path', 'kind', 'at', 'newest', 'id'] as const) {
      if (query[name] !== undefined) words.set(name, query[name]);
    }
    if (query.partial) words.set('partial', 'true');
    if (query.limit !== undefined) words.set('limit', String(query.limit));
    for await (const { versions } of this.#pages(ROUTES.versions, words, (all) => all.VersionList, options)) {
      for (const version of versions) {
        const { path, kind } = version;
        if (path === (query.path ?? path) && kind === (query.kind ?? kind)) yield version;
      }
    }
  }

  /** The newest version of those that are asked for; undefined: there is none. */
  async newest(
    query: Omit<VersionsAsked, 'newest' | 'limit'>,
    options: Stoppable = {},
  ): Promise<VersionSummary | undefined> {
    for await (const version of this.versions({ ...query, limit: 1 }, options)) return version;
    return undefined;
  }

  /** Every receipt that this device was given, in the order of the chain, from the one after `sequence` on. */
  async *receiptsAfter(sequence: number, options: Stoppable = {}): AsyncGenerator<Receipt> {
    const words = new URLSearchParams({ after: String(sequence) });
    for await (const { receipts } of this.#pages(
      ROUTES.receipts,
      words,
      (all) => all.ReceiptList,
      options,
      'after',
    ))
      yield* receipts;
  }

  /** The pages of a list, each asked for when the one before was used; `cursor`: the name that `next` is handed on by. */
  async *#pages<T extends { next?: string | undefined }>(
    route: string,
    words: URLSearchParams,
    schema: (schemas: Schemas) => z.ZodType<T>,
    options: Stoppable,
    cursor = 'cursor',
  ): AsyncGenerator<T> {
    for (;;) {
      const page = await this.#json(await this.#ask(route, words, options), schema);
      yield page;
      if (page.next === undefined) return;
      // A list that comes back to where it was would never end.
      if (page.next === words.get(cursor))
        throw new Failure('unreachable', 'The server repeats a page of a list.');
      words.set(cursor, page.next);
    }
  }

  /** One page of a list; in a body where the words are too long for a URL and the server takes them so. */
  async #ask(route: string, words: URLSearchParams, options: Stoppable): Promise<HttpResponse> {
    const asked = `${route}?${words}`;
    if (asked.length > LONGEST_QUERY && route === ROUTES.versions && this.#searches) {
      try {
        return await this.request('POST', ROUTES.searchVersions, {
          ...options,
          isQuestion: true,
          body: Object.fromEntries(words),
        });
      } catch (error) {
        if (!(error instanceof Failure) || error.detail.status !== 404) throw error;
        // A server of 0.1, which takes headers of 16 KiB.
        this.#searches = false;
      }
    }
    return this.request('GET', asked, options);
  }

  /** The coarse hashes of a version, 32 bytes each, as a stream; `headers`: Range and If-Range. */
  async fingerprint(
    id: string,
    options: Stoppable & { readonly headers?: Record<string, string> } = {},
  ): Promise<HttpResponse> {
    return this.request('GET', ROUTES.fingerprint(id), options);
  }
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body === undefined || body instanceof Uint8Array) return body;
  return Buffer.from(JSON.stringify(body));
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
