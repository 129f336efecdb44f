// Seeded chance (xoshiro128**): the same seed gives the same draws, so that two runs of the bench make the same files.

/** What the numbers of a draw look like matters here; that nobody can guess them does not. */
export class Chance {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    // splitmix32 spreads a small seed over the whole state; an all-zero state would stay zero for ever
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
  }

  /** 32 random bits. */
  bits(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const times5 = Math.imul(s1, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    const s3 = s[3]!;
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** Uniform whole number in [low, high). */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low));
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.unit());
  }

  /** exp of a normal draw (Box-Muller). */
  lognormal(mu: number, sigma: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()));
    return Math.exp(mu + sigma * radius * Math.cos(2 * Math.PI * this.unit()));
  }

  /** Overwrites the buffer with bytes that no compressor can shorten. */
  fill(target: Buffer): Buffer {
    const words = target.length >>> 2;
    for (let i = 0; i < words; i++) target.writeUInt32LE(this.bits(), i * 4);
    for (let i = words * 4; i < target.length; i++) target[i] = this.bits() >>> 24;
    return target;
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.whole(0, i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}
