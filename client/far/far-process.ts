// The process that asks one far mount: where that never answers, this process is left waiting and the device goes on without it.
import type { Dir } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { askFolder, askLook, askOpen, askRealPath, nextNames } from './file-asks.ts';

/** `as`: a number that no process before had, so that a process never answers for what another one opened. */
export type FarAsk =
  | { readonly do: 'look'; readonly path: string; readonly link: boolean }
  | { readonly do: 'real-path'; readonly path: string }
  | { readonly do: 'open-folder'; readonly path: string; readonly as: number }
  | { readonly do: 'next-names'; readonly opened: number; readonly most: number }
  | { readonly do: 'close-folder'; readonly opened: number }
  | { readonly do: 'open'; readonly path: string; readonly as: number }
  | { readonly do: 'stat'; readonly opened: number; readonly bigint: boolean }
  | { readonly do: 'read'; readonly opened: number; readonly length: number; readonly position: number }
  | { readonly do: 'close'; readonly opened: number };

export interface FarRequest {
  readonly number: number;
  readonly ask: FarAsk;
}

export type FarAnswer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: { readonly code: string; readonly message: string } };

const folders = new Map<number, Dir>();
const files = new Map<number, FileHandle>();

function held<T>(all: Map<number, T>, opened: number): T {
  const one = all.get(opened);
  if (!one) throw Object.assign(new Error('it was opened by a process that ended'), { code: 'EIO' });
  return one;
}
const openFolder = (opened: number) => held(folders, opened);
const fileOf = (opened: number) => held(files, opened);

async function answer(ask: FarAsk): Promise<unknown> {
  switch (ask.do) {
    case 'look':
      return askLook(ask.path, ask);
    case 'real-path':
      return askRealPath(ask.path);
    case 'open-folder':
      folders.set(ask.as, await askFolder(ask.path));
      return ask.as;
    case 'next-names':
      return nextNames(openFolder(ask.opened), ask.most);
    case 'close-folder':
      return openFolder(ask.opened).close();
    case 'open':
      files.set(ask.as, await askOpen(ask.path));
      return ask.as;
    case 'stat':
      return { ...(await fileOf(ask.opened).stat({ bigint: ask.bigint })) };
    case 'read': {
      const into = Buffer.alloc(ask.length);
      const { bytesRead } = await fileOf(ask.opened).read(into, 0, ask.length, ask.position);
      return into.subarray(0, bytesRead);
    }
    case 'close':
      return fileOf(ask.opened).close();
  }
}

process.on('message', ({ number, ask }: FarRequest) => {
  answer(ask).then(
    (value) => process.send?.({ number, value }),
    (error: NodeJS.ErrnoException) =>
      process.send?.({ number, error: { code: error.code ?? 'EIO', message: error.message } }),
  );
});
// Who asked is gone.
process.on('disconnect', () => process.exit());
