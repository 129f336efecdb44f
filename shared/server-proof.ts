// What a server signs to prove its key. No receipt begins so: its statement is JSON.

/** The text for `nonce`. */
export function serverProofText(nonce: string): string {
  return `mailferry-server-1 ${nonce}`;
}
