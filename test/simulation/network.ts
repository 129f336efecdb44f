// The line between device and server: slow, absent, cutting what it carries at any byte, losing answers to what was done.
import type { HttpClient, HttpRequest, HttpResponse } from '../../client/http/http-client.ts';
import { Failure } from '../../shared/failure.ts';
import type { Chance } from './chance.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import { problem, type ServerAnswer, type ServerModel } from './server-model.ts';

/** How often things go wrong, each 0 to 1. */
export interface Weather {
  /** A request never arrives. */
  lostRequest: number;
  /** The server did it; the device does not hear of it. */
  lostAnswer: number;
  /** A request comes long after its sender gave it up. */
  late: number;
  /** A piece of a body is the last that arrives. */
  cut: number;
  /** The server asks to wait. */
  busy: number;
  /** Something between here and there answers in the server's place. */
  stranger: number;
}

export const FINE_WEATHER: Weather = { lostRequest: 0, lostAnswer: 0, late: 0, cut: 0, busy: 0, stranger: 0 };

/** Bytes of a body that travel together. */
const PIECE = 1_500;
/** How long the device bears silence (client/http/http-client.ts). */
const STALL_MS = 20_000;

export class Network {
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #server: ServerModel;
  readonly #trace: (line: string) => void;
  online = true;
  weather: Weather = FINE_WEATHER;
  /** The server runs. What reaches it while it does not is refused. */
  serverUp = true;

  constructor(options: {
    scheduler: Scheduler;
    chance: Chance;
    server: ServerModel;
    trace: (line: string) => void;
  }) {
    this.#scheduler = options.scheduler;
    this.#chance = options.chance;
    this.#server = options.server;
    this.#trace = options.trace;
  }

  /** What a process sends its requests with. */
  client(life: Life): HttpClient {
    const open = new Set<() => void>();
    const client = {
      send: (request: HttpRequest) => this.#send(request, life, open),
      interim: { carries: async () => true, doubt: () => {} },
      reset: () => {
        for (const end of [...open]) end();
      },
      close: () => {
        for (const end of [...open]) end();
      },
    };
    return client as unknown as HttpClient;
  }

  #send(request: HttpRequest, life: Life, open: Set<() => void>): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const end = (why: Failure) => {
        forget();
        over.abort();
        reject(why);
      };
      const over = new AbortController();
      const broken = () => end(new Failure('unreachable', 'The connection broke.'));
      const forget = () => {
        open.delete(broken);
        request.signal?.removeEventListener('abort', broken);
      };
      open.add(broken);
      if (request.signal?.aborted) return broken();
      request.signal?.addEventListener('abort', broken, { once: true });
      this.#exchange(request, life, over.signal).then(
        (response) => {
          forget();
          resolve(response);
        },
        (error: Failure) => end(error),
      );
    });
  }

  #wait(ms: number, life: Life | null): Promise<void> {
    return new Promise((resolve) => {
      this.#scheduler.plan(ms, life, resolve);
    });
  }

  async #fails(life: Life, what: string): Promise<never> {
    const silent = this.#chance.is(0.3);
    this.#trace(`network ${what}${silent ? ', silently' : ''}`);
    await this.#wait(silent ? STALL_MS : this.#chance.whole(1, 50), life);
    throw silent
      ? new Failure('stalled', 'The server was silent for too long.')
      : new Failure('unreachable', `The connection was cut: ${what}.`);
  }

  async #exchange(request: HttpRequest, life: Life, over: AbortSignal): Promise<HttpResponse> {
    const { pathname, search } = new URL(request.url);
    const path = pathname + search;
    const name = `${request.method} ${pathname}`;
    const { weather } = this;
    await this.#travel(life);
    if (over.aborted) throw new Failure('unreachable', 'It was ended.');
    life.effect();
    if (!this.online || !this.serverUp) return this.#fails(life, `${name}: no line`);
    if (this.#chance.is(weather.stranger)) return this.#respond(this.#stranger(name));
    if (this.#chance.is(weather.lostRequest)) return this.#fails(life, `${name}: lost`);
    if (this.#chance.is(weather.busy)) {
      return this.#respond(problem(new Failure('busy', 'The server has much to do.')));
    }
    let answer: ServerAnswer;
    if (request.method === 'PATCH') {
      answer = await this.#patch(request, { life, over, name });
    } else {
      const asked = { method: request.method, path, headers: request.headers ?? {}, body: bodyOf(request) };
      if (this.#chance.is(weather.late)) {
        this.#scheduler.plan(this.#chance.whole(100, 90_000), null, () => {
          this.#trace(`network ${name}: arrives late`);
          if (this.serverUp) this.#server.handle(asked);
        });
        return this.#fails(life, `${name}: delayed`);
      }
      answer = this.#server.handle(asked);
    }
    this.#trace(`server ${name} -> ${answer.status}`);
    if (this.#chance.is(weather.lostAnswer)) return this.#fails(life, `${name}: answer lost`);
    await this.#travel(life);
    return this.#respond(answer);
  }

  #travel(life: Life | null): Promise<void> {
    return this.#wait(this.#chance.whole(1, 30), life);
  }

  /** A body that arrives piece by piece, as far as it does. */
  async #patch(
    request: HttpRequest,
    { life, over, name }: { life: Life; over: AbortSignal; name: string },
  ): Promise<ServerAnswer> {
    const id = request.url.split('/').at(-1)!;
    const body = request.body as Exclude<HttpRequest['body'], Uint8Array | undefined>;
    let offset = Number(request.headers?.['upload-offset']);
    const buffer = Buffer.alloc(PIECE);
    try {
      // An empty body is an answer's worth too.
      offset = this.#server.append(id, offset, buffer.subarray(0, 0));
      for (let at = 0; at < (body?.length ?? 0); ) {
        const length = await body.read(at, buffer);
        await this.#travel(life);
        if (over.aborted) throw new Failure('unreachable', 'It was ended.');
        life.effect();
        if (!this.online || !this.serverUp) return await this.#fails(life, `${name}: line lost`);
        const cut = this.#chance.is(this.weather.cut);
        const part = cut ? buffer.subarray(0, this.#chance.whole(0, length)) : buffer.subarray(0, length);
        offset = this.#server.append(id, offset, part);
        at += length;
        if (cut) return await this.#fails(life, `${name}: cut at ${offset}`);
        if (this.#chance.is(0.5)) request.onInterim?.({ 'upload-offset': String(offset) });
      }
    } catch (error) {
      if (error instanceof Failure && ['offset_differs', 'upload_gone'].includes(error.code))
        return problem(error);
      throw error;
    }
    return this.#server.patched(id);
  }

  #stranger(name: string): ServerAnswer {
    const status = this.#chance.pick([200, 404, 410, 502, 503]);
    this.#trace(`network ${name}: a stranger answers ${status}`);
    return {
      status,
      headers: { 'content-type': 'text/html' },
      body: Buffer.from('<html>Please log in</html>'),
    };
  }

  #respond({ status, headers, body }: ServerAnswer): HttpResponse {
    const stream = {
      resume: () => {},
      destroy: () => {},
      async *[Symbol.asyncIterator]() {
        yield body;
      },
    };
    return { status, headers, body: stream as unknown as HttpResponse['body'] };
  }
}

function bodyOf({ body }: HttpRequest): Buffer {
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.alloc(0);
}
