// What goes wrong at check after check is told once, and again only after a check at which it did not.

export class ChangeTeller {
  readonly #say: (sentence: string) => void;
  #told: ReadonlySet<string> = new Set();

  constructor(say: (sentence: string) => void) {
    this.#say = say;
  }

  /** Says those of `sentences` that were not among those of the check before. */
  tell(sentences: readonly string[]): void {
    const now = new Set(sentences);
    for (const sentence of now) if (!this.#told.has(sentence)) this.#say(sentence);
    this.#told = now;
  }
}
