// The lookout: takes reasons from triggers, and tells the agent when a look is due.
import { happened, type LookSettings, looked, NEVER_LOOKED, planLook, type Reason } from './look-plan.ts';

/** Something that notices. It calls `tell` as often as it likes, until `stop` is aborted; it must not keep the process alive. */
export type Trigger = (tell: (reason: Reason) => void, stop: AbortSignal) => void;

/** Longest wait without a look at the clock, in ms: a timer does not count the time a machine sleeps. */
const NAP_MS = 30_000;

export class Lookout {
  readonly #settings: LookSettings;
  readonly #now: () => number;
  readonly #stop: AbortSignal;
  #state = NEVER_LOOKED;
  #wake: () => void = () => {};

  constructor(options: { settings: LookSettings; now: () => number; stop: AbortSignal }) {
    this.#settings = options.settings;
    this.#now = options.now;
    this.#stop = options.stop;
    options.stop.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** Notes a reason to look. Cheap, and never a failure. */
  readonly tell = (reason: Reason): void => {
    this.#state = happened(this.#state, reason, this.#now());
    this.#wake();
  };

  /** Starts triggers that tell this lookout until the stop. */
  listen(...triggers: readonly Trigger[]): void {
    for (const trigger of triggers) trigger(this.tell, this.#stop);
  }

  /** Resolves with the reasons when a look is due, the first one at once; with none when the work was stopped. */
  async next(): Promise<readonly Reason[]> {
    while (!this.#stop.aborted) {
      const plan = planLook(this.#state, this.#settings, this.#now());
      if (plan.look === 'now') return plan.reasons;
      await this.#nap(Math.min(NAP_MS, plan.at - this.#now()));
    }
    return [];
  }

  /** Records a look that began at `began` (ms since 1970) and has ended now. */
  looked(began: number): void {
    this.#state = looked(this.#state, { began, ended: this.#now() });
  }

  #nap(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
