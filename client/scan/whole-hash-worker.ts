// The worker that adds up the SHA-256 of a whole source from memory it shares with the reader.
import { createHash, type Hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

export type HashRequest =
  | { readonly do: 'update'; readonly slot: number; readonly at: number; readonly length: number }
  | { readonly do: 'digest' }
  | { readonly do: 'begin' };
export type HashAnswer = { readonly slot: number } | { readonly digest: string };

const memory = Buffer.from(workerData as SharedArrayBuffer);
let sum: Hash = createHash('sha256');

parentPort?.on('message', (request: HashRequest) => {
  if (request.do === 'begin') sum = createHash('sha256');
  else if (request.do === 'update') {
    sum.update(memory.subarray(request.at, request.at + request.length));
    parentPort?.postMessage({ slot: request.slot } satisfies HashAnswer);
  } else parentPort?.postMessage({ digest: sum.digest('hex') } satisfies HashAnswer);
});
