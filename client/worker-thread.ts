// Starts worker threads from a file beside the code, or from inside the program where it is packaged as one.
import { basename } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { keepHeapSmall } from './small-heap.ts';

/** A worker that runs `script`. In a single executable the script is the asset of that file name. */
export function startWorker(script: URL, options: WorkerOptions = {}): Worker {
  const worker = isSea()
    ? new Worker(getAsset(basename(script.pathname), 'utf8'), { ...options, eval: true })
    : new Worker(script, options);
  worker.once('online', keepHeapSmall);
  return worker;
}
