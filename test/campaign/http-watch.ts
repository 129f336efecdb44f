// Reads along on one connection: what was asked, how much of a body went by, and what the answer was. Changes nothing.

/** One request and its answer, as far as they have gone by. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the request's body so far. */
  sent: number;
  /** null: not answered yet. Interim answers do not count. */
  status: number | null;
  answer: Readonly<Record<string, string>>;
  body: Buffer;
}

export interface Watcher {
  /** Bytes of a request's body went by. */
  onBody(exchange: Exchange, bytes: number): void;
  /** An interim answer (1xx) went by. */
  onInterim(exchange: Exchange): void;
}

interface Head {
  readonly first: string;
  readonly headers: Record<string, string>;
  /** Where what follows the head begins in the bytes given. */
  readonly next: number;
}

/** Gathers bytes until a head is whole. */
class HeadReader {
  #text = '';

  take(bytes: Buffer, from: number): Head | null {
    const before = this.#text.length;
    this.#text += bytes.toString('latin1', from);
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const [first = '', ...lines] = this.#text.slice(0, end).split('\r\n');
    this.#text = '';
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    return { first, headers, next: from + end + 4 - before };
  }
}

/**
 * For HTTP/1.1 with bodies of a stated length, one request at a time on a connection, which is what Mailferry's device speaks.
 * What does not parse is passed over, never a reason to fail.
 */
export class HttpWatch {
  readonly #watcher: Watcher;
  #upHead = new HeadReader();
  #downHead = new HeadReader();
  #bodyLeft = 0;
  #current: Exchange | null = null;

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
  }

  /** Bytes on their way to the server. */
  up(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#current && this.#bodyLeft > 0) {
        const count = Math.min(this.#bodyLeft, bytes.length - at);
        this.#watcher.onBody(this.#current, count);
        this.#current.sent += count;
        this.#bodyLeft -= count;
        at += count;
        continue;
      }
      const head = this.#upHead.take(bytes, at);
      if (!head) return;
      at = head.next;
      const [method = '', path = ''] = head.first.split(' ');
      const { headers } = head;
      this.#current = { method, path, headers, sent: 0, status: null, answer: {}, body: Buffer.alloc(0) };
      this.#bodyLeft = Number(headers['content-length'] ?? 0);
      this.#downHead = new HeadReader();
    }
  }

  /** Bytes on their way to the device. `answered`: whose answer begins in them; `whole`: whose answer ends in them. */
  down(bytes: Buffer): { answered: Exchange | null; whole: Exchange | null } {
    const exchange = this.#current;
    if (!exchange) return { answered: null, whole: null };
    let answered: Exchange | null = null;
    let at = 0;
    while (exchange.status === null) {
      const head = this.#downHead.take(bytes, at);
      if (!head) return { answered: null, whole: null };
      at = head.next;
      const status = Number(head.first.split(' ')[1]);
      if (status < 200) {
        this.#watcher.onInterim(exchange);
        if (at >= bytes.length) return { answered: null, whole: null };
      } else {
        exchange.status = status;
        exchange.answer = head.headers;
        answered = exchange;
      }
    }
    const expected = bodyless(exchange) ? 0 : Number(exchange.answer['content-length'] ?? Number.NaN);
    const before = exchange.body.length;
    if (before < MOST_KEPT) exchange.body = Buffer.concat([exchange.body, bytes.subarray(at)]);
    const ends = exchange.body.length === expected && (answered !== null || before < expected);
    return { answered, whole: ends ? exchange : null };
  }
}

/** Answers longer than any receipt are of no interest. */
const MOST_KEPT = 1_048_576;

function bodyless({ method, status }: Exchange): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}
