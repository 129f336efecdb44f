// The worker that compresses frames and writes packs: a plain synchronous program that takes one message after another.
import { parentPort } from 'node:worker_threads';
import { COARSE } from '../../shared/block.ts';
import { collectSoon } from '../../shared/collect-soon.ts';
import type { FrameSettings } from './frame-settings.ts';
import { PackFile, type SealedPack, WRITE_BYTES } from './pack-file.ts';

export type PackerRequest =
  | { readonly do: 'open'; readonly path: string; readonly settings: FrameSettings }
  | {
      readonly do: 'add';
      /** Which pack, counted by whoever asks: the answer says it again. */
      readonly pack: number;
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly pieces: Uint8Array | undefined;
    }
  | { readonly do: 'seal' }
  | { readonly do: 'abandon' };

export type PackerAnswer =
  /** A batch is written: `raw` bytes became `stored`; `buffer` is free again. */
  | {
      readonly done: 'add';
      readonly pack: number;
      readonly buffer: ArrayBuffer;
      readonly raw: number;
      readonly stored: number;
    }
  | { readonly done: 'seal'; readonly pack: SealedPack }
  | { readonly done: 'abandon' }
  | { readonly done: 'failed'; readonly message: string; readonly code: string | undefined };

/** One for the life of the worker, in which one pack is open at a time. */
const buffer = new Uint8Array(WRITE_BYTES);
let pack: PackFile | undefined;
let settings: FrameSettings | undefined;

function answer(message: PackerAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

/** Cuts a batch into frames. */
function addFrames({ buffer, length, pieces }: Extract<PackerRequest, { do: 'add' }>): void {
  const { rawBytes } = settings!;
  for (let at = 0; at < length; at += rawBytes) {
    const raw = new Uint8Array(buffer, at, Math.min(rawBytes, length - at));
    const first = (at / COARSE) * 32;
    pack!.add(raw, settings!, pieces?.subarray(first, first + Math.ceil(raw.length / COARSE) * 32));
  }
}

function take(request: PackerRequest): void {
  if (request.do === 'open') {
    pack = new PackFile(request.path, buffer);
    settings = request.settings;
  } else if (request.do === 'add') {
    // Of the batch before, which nobody holds any more.
    collectSoon(request.length);
    const before = pack!.bytes;
    addFrames(request);
    const stored = pack!.bytes - before;
    answer({ done: 'add', pack: request.pack, buffer: request.buffer, raw: request.length, stored }, [
      request.buffer,
    ]);
  } else if (request.do === 'seal') {
    const sealed = pack!.seal();
    pack = undefined;
    answer({ done: 'seal', pack: sealed });
  } else {
    pack?.abandon();
    pack = undefined;
    answer({ done: 'abandon' });
  }
}

parentPort?.on('message', (request: PackerRequest) => {
  try {
    take(request);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    answer({ done: 'failed', message: error instanceof Error ? error.message : String(error), code });
  }
});
