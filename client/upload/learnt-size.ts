// How large a request to a server may be, as a process has learnt it: kept while the process runs.
import type { HttpClient } from '../http/http-client.ts';
import {
  afterAnswer,
  afterBreak,
  afterRefusal,
  afterWait,
  FIRST_SIZE,
  type RequestSize,
} from './request-size.ts';

export class LearntSize {
  #size: RequestSize = FIRST_SIZE;

  /** Bytes of the next request. */
  get bytes(): number {
    return this.#size.bytes;
  }

  answered(bytes: number, ms: number): void {
    this.#size = afterAnswer(this.#size, bytes, ms);
  }

  /** A request without a body was answered after `ms`. */
  waited(ms: number): void {
    this.#size = afterWait(this.#size, ms);
  }

  broke(stalled: boolean): void {
    this.#size = afterBreak(this.#size, stalled);
  }

  /** A request of `bytes` was too large for something on the way; whether a smaller one may get through. */
  refused(bytes: number): boolean {
    const size = afterRefusal(this.#size, bytes);
    this.#size = size ?? this.#size;
    return size !== null;
  }
}

const learnt = new WeakMap<HttpClient, Map<string, LearntSize>>();

/** What `http` has learnt of the server of `url`. */
export function learntSize(http: HttpClient, url: string): LearntSize {
  const known = learnt.get(http) ?? new Map<string, LearntSize>();
  learnt.set(http, known);
  const { origin } = new URL(url);
  const size = known.get(origin) ?? new LearntSize();
  known.set(origin, size);
  return size;
}
