// Asks again and again whether the server can be reached, while it is in doubt: costs a packet, and writes nothing.

/** Between two probes at first: a line that is back is used within this time. */
const FIRST_MS = 1_000;
/** Probes at that pace; then each wait is longer by half, up to LONGEST_MS, with chance in it. */
const QUICK_PROBES = 120;
const LONGEST_MS = 15_000;

/** Milliseconds before probe number `count` + 1. `chance`: 0 to 1. */
export function probeWaitMs(count: number, chance: number): number {
  if (count < QUICK_PROBES) return FIRST_MS;
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 1.5 ** Math.min(20, count - QUICK_PROBES + 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}

export class ProbeLoop {
  readonly #probe: () => Promise<boolean>;
  readonly #onBack: () => void;
  readonly #chance: () => number;
  #running = false;
  #down = false;
  #closed = false;
  /** Counts signs of life, so that a probe that began before one does not speak after it. */
  #signs = 0;
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;
  /** Numbers of the probes that nobody answered yet. */
  readonly #open = new Set<number>();

  /** `onBack` is called when a probe is answered after the line was seen to be down. */
  constructor(options: { probe: () => Promise<boolean>; onBack: () => void; chance: () => number }) {
    this.#probe = options.probe;
    this.#onBack = options.onBack;
    this.#chance = options.chance;
  }

  /** Something is silent, or (`down`) was told that there is no line. */
  suspect(down: boolean): void {
    this.#down ||= down;
    if (this.#running || this.#closed) return;
    this.#running = true;
    this.#next(0);
  }

  /** The server answered something: the line is good. */
  trust(): void {
    this.#signs++;
    this.#down = false;
    this.#running = false;
    this.#open.clear();
    clearTimeout(this.#timer);
  }

  close(): void {
    this.#closed = true;
    this.trust();
  }

  #next(count: number): void {
    this.#timer = setTimeout(() => void this.#ask(count), probeWaitMs(count, this.#chance()));
    this.#timer.unref();
  }

  /** The next one does not wait for this one: it may have gone into a line that comes back the moment after. */
  async #ask(count: number): Promise<void> {
    const signs = this.#signs;
    const number = this.#asked++;
    this.#open.add(number);
    this.#next(count + 1);
    const answered = await this.#probe().catch(() => false);
    if (signs !== this.#signs) return;
    this.#open.delete(number);
    if (!answered) {
      this.#down = true;
      return;
    }
    const isOvertaking = [...this.#open].some((other) => other < number);
    const wasDown = this.#down || isOvertaking;
    this.trust();
    if (wasDown) this.#onBack();
  }
}
