// Finder for machines without Windows: mail stores anywhere in the home folder, such as PSTs that came from elsewhere.
import { isIgnored, kindOf } from './find-stores.ts';
import type { Finder, Take } from './finder.ts';
import { skippedText, walk } from './walk.ts';

const TAKES = [
  {
    id: 'home-stores',
    kind: 'pst',
    what: 'Mail stores on Linux and macOS (PST, OST, NK2)',
    where: 'anywhere in the home folder; hidden trash, caches and snapshots are passed by',
    why: 'copies of stores that came from a Windows machine',
    restored: 'to its place where that is free, else beside what is there; never over it unless told',
  },
] as const satisfies readonly Take[];

export const homeStores: Finder = {
  name: 'mail stores in the home folder',
  takes: TAKES,
  async *find({ files, user, leaveOut }) {
    const found = walk(user.home, {
      files,
      wanted: (name) => kindOf(name) !== 'file',
      ignored: isIgnored,
      onSkipped: (skipped) => leaveOut({ ...skipped, text: skippedText(skipped) }),
    });
    const why = 'it lies in the home folder';
    for await (const path of found)
      yield { path, kind: kindOf(path), take: 'home-stores', owner: user.name, set: null, why };
  },
};
