// What the server needs of the world and does not take by itself: clock, chance and a signing key. main.ts hands them in.

export interface Capabilities {
  /** Milliseconds since 1970, by the wall clock. */
  now(): number;
  /** `count` unpredictable bytes, fit for secrets. */
  randomBytes(count: number): Uint8Array;
  /** A new Ed25519 private key as PKCS #8 PEM. Called once in the life of a data directory. */
  newReceiptKey(): string;
}
