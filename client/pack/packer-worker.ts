// The worker that compresses frames and writes packs: a plain synchronous program that takes one message after another.
import { parentPort } from 'node:worker_threads';
import type { FrameSettings } from './frame-settings.ts';
import { PackFile, type SealedPack } from './pack-file.ts';

export type PackerRequest =
  | { readonly do: 'open'; readonly path: string; readonly settings: FrameSettings }
  | {
      readonly do: 'frame';
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly pieces: Uint8Array | undefined;
    }
  | { readonly do: 'seal' }
  | { readonly do: 'abandon' };

export type PackerAnswer =
  /** A frame is written; `buffer` is free again, the pack has `bytes` bytes now. */
  | { readonly done: 'frame'; readonly buffer: ArrayBuffer; readonly raw: number; readonly bytes: number }
  | { readonly done: 'seal'; readonly pack: SealedPack }
  | { readonly done: 'abandon' }
  | { readonly done: 'failed'; readonly message: string; readonly code: string | undefined };

let pack: PackFile | undefined;
let settings: FrameSettings | undefined;

function answer(message: PackerAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function take(request: PackerRequest): void {
  if (request.do === 'open') {
    pack = new PackFile(request.path);
    settings = request.settings;
  } else if (request.do === 'frame') {
    pack!.add(new Uint8Array(request.buffer, 0, request.length), settings!, request.pieces);
    answer({ done: 'frame', buffer: request.buffer, raw: request.length, bytes: pack!.bytes }, [
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
