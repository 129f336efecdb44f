// The line to the server: every real sign that it is there again, from wherever it comes, for those who wait for it.
import { type Interfaces, watchNetwork } from './network-watch.ts';
import { ProbeLoop } from './probe-loop.ts';
import { type Clocks, watchWake } from './wake-watch.ts';

/** woke: the machine slept or its clock was set. network: it has other addresses. answers: the server can be reached again. */
export type Sign = 'woke' | 'network' | 'answers';

/** A name that can't be looked up within this time after waking says nothing: resolvers wake later than we do. */
const WAKING_MS = 30_000;

export class Line {
  readonly #monotonic: () => number;
  readonly #probes: ProbeLoop;
  readonly #listeners = new Set<(sign: Sign) => void>();
  readonly #ends: (() => void)[];
  #wokeAt = Number.NEGATIVE_INFINITY;

  constructor(
    options: Clocks & {
      interfaces: () => Interfaces;
      chance: () => number;
      /** Whether the server answers on a connection of its own. */
      probe: () => Promise<boolean>;
    },
  ) {
    this.#monotonic = options.monotonic;
    this.#probes = new ProbeLoop({ ...options, onBack: () => this.#tell('answers') });
    this.#ends = [
      watchWake(options, () => {
        this.#wokeAt = this.#monotonic();
        this.#changed('woke');
      }),
      watchNetwork(options.interfaces, () => this.#changed('network')),
    ];
  }

  /** Calls `listener` with each sign until the function returned is called. */
  onSign(listener: (sign: Sign) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A request is silent, or (`down`) found that there is no line. */
  suspect(down: boolean): void {
    this.#probes.suspect(down);
  }

  /** The server said something. */
  trust(): void {
    this.#probes.trust();
  }

  /** Whether the machine woke so lately that what fails now may only be not awake yet. */
  get waking(): boolean {
    return this.#monotonic() - this.#wokeAt < WAKING_MS;
  }

  /** What is begun at once may still go into a line that is not back yet: the first answer to a probe is a sign of its own. */
  #changed(sign: 'woke' | 'network'): void {
    this.#probes.suspect(true);
    this.#tell(sign);
  }

  #tell(sign: Sign): void {
    for (const listener of [...this.#listeners]) listener(sign);
  }

  close(): void {
    for (const end of this.#ends) end();
    this.#probes.close();
    this.#listeners.clear();
  }
}
