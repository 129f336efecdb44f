// Fine hashes: the keyed NH hash of each 1 KiB of a coarse block, 64 of them in one call.
import { COARSE, FINE } from '../../shared/block.ts';
import { FINE_HASH_BYTES } from '../../shared/fingerprint.ts';

/*
 * fine-hash.wat, assembled (test/client/fingerprint/fine-hash.test.ts proves that it is). NH is the hash inside UMAC (RFC 4418
 * section 5.2): for a random key, two different blocks of one length collide with a chance of at most 2^-32. In
 * WebAssembly with 128-bit lanes, since a million calls of node:crypto take longer than all the rest of a scan.
 */
const MODULE = Buffer.from(
  'AGFzbQEAAAABBQFgAX8AAwIBAAUDAQACBxECBm1lbW9yeQIABGhhc2gAAAquAQGrAQIEfwN7QYCIBCEEAkADQCAARQ0B/QwAAAAAAAAAAAAAAAAAAAAAIQVBgIAEIQIgAUGACGohAwNAIAH9AAQAIAL9AAQA/a4BIQYgAf0ABBAgAv0ABBD9rgEhByAFIAYgB/3eASAGIAf93wH9zgH9zgEhBSABQSBqIQEgAkEgaiECIAEgA0kNAAsgBCAF/R0AIAX9HQF8NwMAIARBCGohBCAAQQFrIQAMAAsLCw==',
  'base64',
);
const KEY_AT = COARSE;
const OUT_AT = COARSE + FINE;

/** Bytes of key that FineHasher takes. */
export const FINE_KEY_BYTES = FINE;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly hash: (count: number) => void;
}

/** What WebAssembly is of @types/node's lack of it: just what is used here. */
interface Assembly {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

export class FineHasher {
  readonly #memory: Uint8Array;
  readonly #hash: (count: number) => void;

  /** `key`: FINE_KEY_BYTES random bytes that never leave the device. */
  constructor(key: Uint8Array) {
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: Assembly }).WebAssembly;
    const exports = new Instance(new Module(MODULE)).exports as Exports;
    this.#memory = new Uint8Array(exports.memory.buffer);
    this.#memory.set(key.subarray(0, FINE), KEY_AT);
    this.#hash = exports.hash;
  }

  /** The hashes of a block of at most 64 KiB, 8 bytes for each KiB begun; a view, valid until the next call. */
  hash(block: Uint8Array): Uint8Array {
    const count = Math.ceil(block.length / FINE);
    this.#memory.set(block, 0);
    this.#memory.fill(0, block.length, count * FINE);
    this.#hash(count);
    return this.#memory.subarray(OUT_AT, OUT_AT + count * FINE_HASH_BYTES);
  }
}
