// Progress of long work: bytes, rate and time left, for whoever shows it.

export interface ProgressReport {
  /** scan: a source is read. send: packs go to the server. restore: bytes come back. */
  readonly phase: 'scan' | 'send' | 'restore' | 'verify';
  readonly path: string;
  /** Bytes. */
  readonly done: number;
  readonly total: number;
}

export interface Progress {
  report(report: ProgressReport): void;
  /** One thing that happened, as a sentence. */
  say(sentence: string): void;
  /** Takes what is shown off the screen. */
  clear(): void;
}

export interface Pace {
  /** Bytes a second. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

/** Rate and time left of one phase of one path, from what was reported so far. */
export class Pacer {
  readonly #starts = new Map<string, { at: number; done: number; last: number }>();

  pace({ phase, path, done, total }: ProgressReport, now: number): Pace {
    const key = `${phase} ${path}`;
    const before = this.#starts.get(key);
    // Fewer bytes than before, or an earlier time: the work, or the clock, began anew.
    const goesOn = before && done >= before.last && now >= before.at;
    const start = goesOn ? { ...before, last: done } : { at: now, done, last: done };
    this.#starts.set(key, start);
    const seconds = (now - start.at) / 1000;
    const rate = seconds > 0 ? (done - start.done) / seconds : 0;
    const left = Math.max(0, total - done);
    return { rate: Math.round(rate), secondsLeft: rate > 0 ? Math.round(left / rate) : null };
  }
}
