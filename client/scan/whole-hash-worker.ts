// The worker that adds up the SHA-256 of a whole source, slot after slot.
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

export type HashRequest =
  /** The slot is handed over, and comes back in the answer. */
  | { readonly do: 'update'; readonly slot: ArrayBuffer; readonly length: number }
  | { readonly do: 'digest' }
  | { readonly do: 'begin' };
export type HashAnswer = { readonly slot: ArrayBuffer } | { readonly digest: string };

let sum: Hash = createHash('sha256');

function answer(message: HashAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

parentPort?.on('message', (request: HashRequest) => {
  if (request.do === 'begin') sum = createHash('sha256');
  else if (request.do === 'update') {
    const { slot, length } = request;
    sum.update(new Uint8Array(slot, 0, length));
    answer({ slot }, [slot]);
  } else answer({ digest: sum.digest('hex') });
});
