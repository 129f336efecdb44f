// What is being worked on at once, counted: requests of a device, and bytes of large bodies of all of them.
import type { ServerResponse } from 'node:http';
import { Failure } from '../../shared/failure.ts';

/** Counts by name, up to a limit. */
export class InFlight {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes `weight` until `response` is over; a Failure `too_many` where that is more than is allowed at once. */
  take(name: string, weight: number, response: ServerResponse): void {
    const count = this.#counts.get(name) ?? 0;
    if (count + weight > this.#most) {
      throw new Failure('too_many', 'The server works on too much of this at once.', {
        detail: { limit: this.#most },
      });
    }
    this.#counts.set(name, count + weight);
    response.once('close', () => {
      const left = (this.#counts.get(name) ?? 0) - weight;
      if (left > 0) this.#counts.set(name, left);
      else this.#counts.delete(name);
    });
  }
}
