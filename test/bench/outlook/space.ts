// Who owns which 64 bytes of the store: the allocation map in memory, and the two ways to take from it.
//
//   0x4400 | section 0: AMap 512 B, PMap 512 B, data ... | section 1: AMap 512 B, data ... | ...     253,952 B each
//
// An AMap has 496 bytes of bits, one bit for each slot of 64 bytes of its section, itself included. A PMap follows the
// AMap of every eighth section. Nothing crosses from one section into the next.
import type { Chance } from './chance.ts';

export const SLOT = 64;
const SECTION = 253_952;
const FIRST_SECTION = 0x4400;
export const SLOTS_PER_SECTION = SECTION / SLOT;
const PMAP_EVERY = 8;
const PAGE_SLOTS = 8;
/** Outlook grows a store by about 1 MiB at a time. */
const SECTIONS_PER_GROWTH = 4;
/** How many sections are tried before the file grows: the free lists of a DList page are as short-sighted. */
const TRIES_DENSE = 60;
const TRIES_FRAG = 400;
/** How often an aged store leaves the section that it wrote to last: free space is spread thin. */
const WANDER = 0.35;

export type Policy = 'dense' | 'frag';

export class Space {
  readonly #policy: Policy;
  readonly #chance: Chance;
  #taken: Uint8Array;
  /** Free slots of each section. Not kept while the base is laid out; settle() counts them. */
  #free: number[] = [];
  #retired: { at: number; bytes: number }[] = [];
  #current: number | undefined;
  #frontier = 0;
  #settled = false;
  /** Sections whose AMap on disk is out of date. */
  readonly touched = new Set<number>();

  constructor(size: number, policy: Policy, chance: Chance) {
    this.#policy = policy;
    this.#chance = chance;
    this.#taken = new Uint8Array(0);
    this.#addSections(Math.max(1, Math.floor((size - FIRST_SECTION) / SECTION)));
  }

  get sections(): number {
    return this.#free.length;
  }

  get end(): number {
    return sectionStart(this.sections);
  }

  get freeBytes(): number {
    return this.#free.reduce((sum, slots) => sum + slots, 0) * SLOT;
  }

  /** How many slots lie below the frontier of the first lay-out. */
  get laidOut(): number {
    return this.#frontier;
  }

  freeSlots(section: number): number {
    return this.#free[section]!;
  }

  /** The sections with most free space first: what a DList page says, and where dense allocation looks. */
  roomiest(count: number): number[] {
    const order = this.#free.map((_, section) => section);
    return order.sort((a, b) => this.#free[b]! - this.#free[a]! || a - b).slice(0, count);
  }

  /** An owned run of bytes. Alignment is in slots. */
  place(bytes: number, alignment = 1): number {
    return this.#settled ? this.#take(bytes, alignment) : this.#layOut(bytes, alignment);
  }

  /** Gives a run back, but only at the next releaseRetired(): until a commit the old tree still points there. */
  retire(at: number, bytes: number): void {
    this.#retired.push({ at, bytes });
  }

  releaseRetired(): void {
    for (const { at, bytes } of this.#retired) {
      const first = (at - FIRST_SECTION) / SLOT;
      const section = Math.floor(first / SLOTS_PER_SECTION);
      this.#taken.fill(0, first, first + slotsOf(bytes));
      this.#free[section]! += slotsOf(bytes);
      this.touched.add(section);
    }
    this.#retired = [];
  }

  /** Ends the first lay-out: from here on space is taken wherever the policy finds some. */
  settle(): void {
    this.releaseRetired();
    for (let section = 0; section < this.sections; section++) {
      let free = 0;
      for (const slot of this.#slots(section)) free += 1 - slot;
      this.#free[section] = free;
      this.touched.add(section);
    }
    this.#settled = true;
  }

  /** The 496 bytes of bits of a section's AMap. */
  bits(section: number): Buffer {
    const slots = this.#slots(section);
    const bits = Buffer.alloc(SLOTS_PER_SECTION / 8);
    for (let i = 0; i < slots.length; i++) if (slots[i] === 1) bits[i >>> 3]! |= 0x80 >>> (i & 7);
    return bits;
  }

  /** The first lay-out of a store: one thing after the other. */
  #layOut(bytes: number, alignment: number): number {
    const wanted = slotsOf(bytes);
    for (;;) {
      let at = alignUp(this.#frontier, alignment);
      const section = Math.floor(at / SLOTS_PER_SECTION);
      const reserved = section * SLOTS_PER_SECTION + reservedSlots(section);
      if (at < reserved) at = alignUp(reserved, alignment);
      if (at + wanted > (section + 1) * SLOTS_PER_SECTION) {
        this.#frontier = (section + 1) * SLOTS_PER_SECTION;
        continue;
      }
      if (section >= this.sections) throw new Error('the first lay-out ran past the end of the store');
      this.#taken.fill(1, at, at + wanted);
      this.#frontier = at + wanted;
      return slotStart(at);
    }
  }

  /** Space for a change of a living store: first fit in a section that the policy chooses, or else a longer store. */
  #take(bytes: number, alignment: number): number {
    const wanted = slotsOf(bytes);
    for (;;) {
      for (const section of this.#candidates()) {
        if (this.#free[section]! < wanted) continue;
        const at = this.#firstFit(section, wanted, alignment);
        if (at === undefined) continue;
        this.#taken.fill(1, at, at + wanted);
        this.#free[section]! -= wanted;
        this.touched.add(section);
        this.#current = section;
        return slotStart(at);
      }
      this.#current = this.sections;
      this.#addSections(SECTIONS_PER_GROWTH);
    }
  }

  *#candidates(): Generator<number> {
    const frag = this.#policy === 'frag';
    if (this.#current !== undefined && !(frag && this.#chance.unit() < WANDER)) yield this.#current;
    if (!frag) yield* this.roomiest(TRIES_DENSE);
    else for (let i = 0; i < TRIES_FRAG; i++) yield this.#chance.whole(0, this.sections);
  }

  #firstFit(section: number, wanted: number, alignment: number): number | undefined {
    const end = (section + 1) * SLOTS_PER_SECTION;
    let at = alignUp(section * SLOTS_PER_SECTION, alignment);
    while (at + wanted <= end) {
      let length = 0;
      while (length < wanted && this.#taken[at + length] === 0) length++;
      if (length === wanted) return at;
      at = alignUp(at + length + 1, alignment);
    }
    return undefined;
  }

  #slots(section: number): Uint8Array {
    return this.#taken.subarray(section * SLOTS_PER_SECTION, (section + 1) * SLOTS_PER_SECTION);
  }

  #addSections(count: number): void {
    const before = this.sections;
    const taken = new Uint8Array((before + count) * SLOTS_PER_SECTION);
    taken.set(this.#taken);
    this.#taken = taken;
    for (let section = before; section < before + count; section++) {
      const reserved = reservedSlots(section);
      this.#slots(section).fill(1, 0, reserved);
      this.#free.push(SLOTS_PER_SECTION - reserved);
      this.touched.add(section);
    }
  }
}

export function sectionStart(section: number): number {
  return FIRST_SECTION + section * SECTION;
}

export function hasPmap(section: number): boolean {
  return section % PMAP_EVERY === 0;
}

function reservedSlots(section: number): number {
  return hasPmap(section) ? 2 * PAGE_SLOTS : PAGE_SLOTS;
}

function slotsOf(bytes: number): number {
  return Math.ceil(bytes / SLOT);
}

function slotStart(slot: number): number {
  return FIRST_SECTION + slot * SLOT;
}

/** The next slot whose place in the FILE (not in the section) is a multiple of the alignment, given in slots. */
function alignUp(slot: number, alignment: number): number {
  const origin = FIRST_SECTION / SLOT;
  return Math.ceil((slot + origin) / alignment) * alignment - origin;
}
