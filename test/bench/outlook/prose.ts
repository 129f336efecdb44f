// Makes content of a wanted length: text spliced from real blocks, attachments, table rows.
import type { Chance } from './chance.ts';

/** One text draws its pieces from one stretch of the pool, as one mail quotes and repeats itself. */
const STRETCH = 60_000;
const SHORTEST_PIECE = 24;
const LONGEST_PIECE = 600;
export const ROW_BYTES = 200;

export class Prose {
  readonly #pool: Buffer;
  readonly #chance: Chance;

  constructor(pool: Buffer, chance: Chance) {
    if (pool.length < STRETCH + LONGEST_PIECE)
      throw new Error(`only ${pool.length} bytes of text to splice from`);
    this.#pool = pool;
    this.#chance = chance;
  }

  text(length: number): Buffer {
    return this.#splice(Buffer.allocUnsafe(length));
  }

  noise(length: number): Buffer {
    return this.#chance.fill(Buffer.allocUnsafe(length));
  }

  /** A text of a length drawn from [low, high) whose first 16 bytes are unique, like a property context. */
  smallBlock(low: number, high: number): Buffer {
    const block = this.text(this.#chance.whole(low, high));
    this.#chance.fill(block.subarray(0, 16));
    return block;
  }

  /** 55 % pictures and archives, 25 % like a PDF (text at both ends), 20 % text. */
  attachment(length: number): Buffer {
    const kind = this.#chance.unit();
    if (kind < 0.55) return this.noise(length);
    if (kind >= 0.8) return this.text(length);
    const pdf = this.noise(length);
    const edge = Math.floor(length * 0.06);
    this.#splice(pdf.subarray(0, edge));
    this.#splice(pdf.subarray(length - edge));
    return pdf;
  }

  /** Rows of a contents table: fixed width, of which about a third differs from row to row. */
  rows(length: number): Buffer {
    const template = this.text(ROW_BYTES);
    const rows = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += ROW_BYTES) {
      const row = rows.subarray(at, Math.min(at + ROW_BYTES, length));
      template.copy(row);
      this.#chance.fill(row.subarray(0, 40));
      this.#chance.fill(row.subarray(100, 130));
    }
    return rows;
  }

  #splice(target: Buffer): Buffer {
    const start = this.#chance.whole(0, this.#pool.length - STRETCH - LONGEST_PIECE);
    let at = 0;
    while (at < target.length) {
      const from = start + this.#chance.whole(0, STRETCH);
      at += this.#pool.copy(target, at, from, from + this.#chance.whole(SHORTEST_PIECE, LONGEST_PIECE));
    }
    return target;
  }
}
