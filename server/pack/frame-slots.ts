// Small decoded frames in one block of memory that is never given back: a cache that leaves nothing to be collected.

/**
 * Keeps the frames used last in slots of equal size. Buffers that each live for a while and then die are what V8 collects last; so
 * frames are copied into slots, and what they were decoded into dies young.
 */
export class FrameSlots {
  readonly #bytes: Uint8Array;
  readonly slotBytes: number;
  /** Key to slot and length, least recently used first. */
  readonly #kept = new Map<string, { slot: number; length: number }>();
  readonly #slots: number;
  /** Slots given up below the highest one in use. */
  readonly #free: number[] = [];

  constructor(slots: number, slotBytes: number) {
    this.#slots = slots;
    this.slotBytes = slotBytes;
    this.#bytes = new Uint8Array(slots * slotBytes);
  }

  /** Fills `into` from byte `from` of the frame `key`; false where it is not kept. */
  copy(key: string, from: number, into: Uint8Array): boolean {
    const kept = this.#kept.get(key);
    if (!kept || from + into.length > kept.length) return false;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const start = kept.slot * this.slotBytes + from;
    into.set(this.#bytes.subarray(start, start + into.length));
    return true;
  }

  /** Gives up the frames whose key begins so. */
  forgetAll(prefix: string): void {
    for (const [key, { slot }] of [...this.#kept]) {
      if (!key.startsWith(prefix)) continue;
      this.#kept.delete(key);
      this.#free.push(slot);
    }
  }

  /** Keeps a copy of a frame of at most slotBytes. */
  keep(key: string, raw: Uint8Array): void {
    if (raw.length > this.slotBytes || this.#kept.has(key)) return;
    let slot = this.#free.pop() ?? this.#kept.size;
    if (slot === this.#slots) {
      const [oldest, { slot: freed }] = this.#kept.entries().next().value!;
      this.#kept.delete(oldest);
      slot = freed;
    }
    this.#bytes.set(raw, slot * this.slotBytes);
    this.#kept.set(key, { slot, length: raw.length });
  }
}
