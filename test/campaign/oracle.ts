// What was promised, remembered outside of everything that a fault can reach: states of sources, packs answered for, receipts.
import { appendFileSync } from 'node:fs';
import { type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import type { Exchange } from './http-watch.ts';

/** A receipt that passed to the device, or that the device printed. */
export interface Promised {
  readonly version: string;
  readonly path: string;
  readonly complete: boolean;
  readonly sha256: string;
  readonly size: number;
  readonly sequence: number;
  readonly statement: string;
  readonly signature: string;
}

/** A promise that was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export class Oracle {
  readonly #log: string;
  readonly #states = new Map<string, Set<string>>();
  readonly #current = new Map<string, string>();
  readonly receipts = new Map<string, Promised>();
  /** Bytes of each pack that the server answered for, by id. */
  readonly packs = new Map<string, number>();
  /** Packs that were destroyed on the server after they were answered for: what needs them may be refused, but never be wrong. */
  readonly destroyed = new Set<string>();
  /** Uploads by their path: which pack, and how long it is. */
  readonly #uploads = new Map<string, { pack: string; length: number }>();
  readonly #reached = new Map<string, number>();
  readonly #begunAgain = new Set<string>();
  /** Bytes of bodies of uploads that came from the device. */
  bodyBytes = 0;

  /** `log`: a file on a disk that no fault touches; everything is noted there as it happens. */
  constructor(log: string) {
    this.#log = log;
  }

  note(what: string, facts: object): void {
    appendFileSync(this.#log, `${JSON.stringify({ at: new Date().toISOString(), what, ...facts })}\n`);
  }

  /** A source is in this state from now on. */
  state(path: string, sha256: string, size: number): void {
    const states = this.#states.get(path) ?? new Set();
    this.#states.set(path, states.add(sha256));
    this.#current.set(path, sha256);
    this.note('state', { path, sha256, size });
  }

  wasState(path: string, sha256: string): boolean {
    return this.#states.get(path)?.has(sha256) ?? false;
  }

  /** SHA-256 of each source as it is now. */
  get current(): ReadonlyMap<string, string> {
    return this.#current;
  }

  /** Bytes of a body came from the device. */
  body({ method, path, headers, sent }: Exchange, bytes: number): void {
    if (method !== 'PATCH') return;
    this.bodyBytes += bytes;
    const upload = this.#uploads.get(path);
    if (!upload) return;
    const from = Number(headers['upload-offset']) + sent;
    const reached = this.#reached.get(upload.pack) ?? 0;
    if (from === 0 && reached >= upload.length) this.#begunAgain.add(upload.pack);
    this.#reached.set(upload.pack, Math.max(reached, from + bytes));
  }

  /** Packs of at least `least` bytes that were begun again at their first byte though their last had been sent, since the last call. */
  takeSentTwice(least: number): string[] {
    const twice = [...this.#begunAgain].filter((pack) => this.#reached.get(pack)! >= least);
    this.#begunAgain.clear();
    return twice;
  }

  /** An answer of the server goes to the device, or is lost after the server gave it. */
  upload({ method, path, headers, status, answer }: Exchange): void {
    if (method !== 'POST' || path !== '/v1/uploads' || status !== 201) return;
    const id = /(?:^|,)id ([^,]+)/.exec(headers['upload-metadata'] ?? '')?.[1];
    const pack = Buffer.from(id ?? '', 'base64').toString();
    const url = new URL(answer.location ?? '/', 'http://server.invalid').pathname;
    this.#uploads.set(url, { pack, length: Number(headers['upload-length']) });
  }

  /** A whole answer passed: what it says is a promise from now on. */
  passed(exchange: Exchange): void {
    const { method, path, status, answer, body } = exchange;
    if (status === null || status >= 300) return;
    const upload = this.#uploads.get(path);
    if (upload && (method === 'PATCH' || method === 'HEAD')) {
      if (Number(answer['upload-offset']) === upload.length) this.#pack(upload.pack, upload.length);
    }
    if (method === 'PUT' && path.startsWith('/v1/versions/')) {
      this.receipt((JSON.parse(body.toString()) as { receipt: Receipt }).receipt, 'passed');
    }
  }

  #pack(id: string, bytes: number): void {
    if (this.packs.has(id)) return;
    this.packs.set(id, bytes);
    this.note('pack', { id, bytes });
  }

  /** A receipt was given. The same one again says nothing new; another for the same version is a Violation. */
  receipt({ statement, signature }: Receipt, how: 'passed' | 'printed'): void {
    const read: ReceiptStatement = readReceipt({ statement, signature }, () => true);
    const { version, path, complete, sha256, size, sequence } = read;
    const known = this.receipts.get(version);
    if (known && known.statement !== statement)
      throw new Violation(`version ${version} got two different receipts`);
    if (known) return;
    const promised = { version, path, complete, sha256, size, sequence, statement, signature };
    this.receipts.set(version, promised);
    this.note('receipt', { ...promised, how });
  }
}

interface Receipt {
  readonly statement: string;
  readonly signature: string;
}
