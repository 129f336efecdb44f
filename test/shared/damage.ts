// Every way to damage a little: each bit flipped, each byte missing, a byte added at each place.

export interface Damage {
  readonly what: string;
  /** Where in the sound bytes. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export function* everyFlip(sound: Uint8Array): Generator<Damage> {
  for (let at = 0; at < sound.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = sound.slice();
      bytes[at]! ^= 1 << bit;
      yield { what: `bit ${at}.${bit} flipped`, at, bytes };
    }
  }
}

export function* everyLoss(sound: Uint8Array): Generator<Damage> {
  for (let at = 0; at < sound.length; at++) {
    yield { what: `byte ${at} missing`, at, bytes: joined(sound.subarray(0, at), sound.subarray(at + 1)) };
  }
}

/** Adds a zero, all ones, and the byte that stands there already: a repetition hides best. */
export function* everyAddition(sound: Uint8Array): Generator<Damage> {
  for (let at = 0; at <= sound.length; at++) {
    for (const byte of new Set([0, 0xff, sound[at] ?? 0x20, sound[at - 1] ?? 0x20])) {
      const bytes = joined(sound.subarray(0, at), Uint8Array.of(byte), sound.subarray(at));
      yield { what: `byte ${byte} added at ${at}`, at, bytes };
    }
  }
}

export function* everyDamage(sound: Uint8Array): Generator<Damage> {
  yield* everyFlip(sound);
  yield* everyLoss(sound);
  yield* everyAddition(sound);
}

export function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
