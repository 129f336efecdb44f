// One life of the device's process: it ends between any two things that it does, and then nothing that it still does has any effect.

/** Thrown where a process dies in the middle of something that waits for nothing; whoever catches it is dead too. */
export class Died extends Error {}

export class Life {
  /** How many more effects it has on the world. */
  #left: number;
  alive = true;

  constructor(effects: number) {
    this.#left = effects;
  }

  /** Before each effect: a write, a commit, a request. Throws `Died` when the life is over. */
  effect(): void {
    if (this.alive && this.#left-- <= 0) this.alive = false;
    if (!this.alive) throw new Died('the process is dead');
  }

  end(): void {
    this.alive = false;
  }

  /** It lives on until end(). */
  spare(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }
}
