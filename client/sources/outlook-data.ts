// Finder: Outlook's data files, by the profiles that open them, the folders Outlook chooses, and the user's own folders.
import { win32 } from 'node:path';
import { isWithin, linesOf } from '../registry/reg-value.ts';
import { kindAt } from './file-view.ts';
import { isIgnored, kindOf } from './find-stores.ts';
import type { Finder, FoundItem, Search, Take } from './finder.ts';
import { isNetworkPath } from './network-path.ts';
import { type OutlookInRegistry, outlookInRegistry } from './outlook-registry.ts';
import { skippedText, walk } from './walk.ts';

const TAKES = [
  {
    id: 'pst',
    kind: 'pst',
    what: 'Outlook data files (PST)',
    where:
      'wherever a profile of Outlook 2003 to 365 opens one, ForcePSTPath points or Outlook has indexed one; `%LOCALAPPDATA%\\Microsoft\\Outlook`; the whole home and documents folder, also where OneDrive or DataNow has it',
    why: 'often the only copy of years of mail',
    restored: 'to its place where that is free, else beside what is there; never over it unless told',
  },
  {
    id: 'ost',
    kind: 'ost',
    what: 'Outlook offline files (OST)',
    where: 'wherever a profile opens one; `%LOCALAPPDATA%\\Microsoft\\Outlook`',
    why: 'left out unless `--caches`: the mail server has what is in them, but for folders marked as only on this computer; Windows keeps them out of snapshots',
    restored: 'only to a place you name, never into a profile: Outlook makes its own',
    leftOut: true,
  },
] as const satisfies readonly Take[];

const FILES_NOT_TO_SNAPSHOT =
  'HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\BackupRestore\\FilesNotToSnapshot';

/** Folders of the home that hold programs' data by the ten thousand; where Outlook uses them they are walked on their own. */
const PROGRAM_DATA = new Set(['appdata', 'application data', 'local settings']);

export const outlookData: Finder = {
  name: 'Outlook data files',
  takes: TAKES,
  ask: outlookInRegistry,
  async *find(search) {
    const { leaveOut, caches } = search;
    for await (const { path, why } of candidates(search, await outlookInRegistry(search))) {
      const kind = kindOf(path) === 'ost' ? 'ost' : 'pst';
      if (kind === 'ost' && !caches) {
        leaveOut({ path, why: 'cache', text: `an OST, a copy of what the mail server has; ${why}` });
        continue;
      }
      const excluded = kind === 'ost' && (await isLeftOutOfSnapshots(search));
      const note = excluded ? '; Windows leaves OST files out of snapshots' : '';
      yield { path, kind, take: kind, owner: search.user.name, set: null, why: why + note };
    }
  },
};

type Candidate = Pick<FoundItem, 'path' | 'why'>;

/** In the order of who knows best; the same store may come again. */
async function* candidates(search: Search, outlook: OutlookInRegistry): AsyncGenerator<Candidate> {
  const { files, user, leaveOut } = search;
  for (const { path, profile } of outlook.stores) {
    const share = onShare(path, outlook);
    if (share !== null) {
      const opens = `profile "${profile}" opens it on another machine`;
      const place = share === path ? '' : ` (${share})`;
      if (!search.networkStores) leaveOut({ path, why: 'network', text: `${opens}${place}` });
      else if ((await kindAt(files, share)) === 'file') yield { path: share, why: opens };
      else leaveOut({ path: share, why: 'network', text: `${opens}, which does not give it now` });
    } else if ((await kindAt(files, path)) !== 'file') {
      leaveOut({ path, why: 'missing', text: `profile "${profile}" opens it, but it is not there` });
    } else yield { path, why: `Outlook profile "${profile}" opens it` };
  }
  for (const left of [...(user.lost ?? []), ...outlook.lost]) leaveOut(left);
  for (const folder of outlook.forced) {
    yield* storesBelow(search, folder, 'it lies in the folder set by ForcePSTPath or ForceOSTPath');
  }
  const own = win32.join(user.local, 'Microsoft', 'Outlook');
  yield* storesBelow(search, own, "it lies in Outlook's own folder");
  if (!isWithin(user.documents, user.home)) {
    yield* storesBelow(search, user.documents, 'it lies in the documents folder');
  }
  if (onShare(user.roaming, outlook) === null)
    yield* storesBelow(search, user.roaming, 'it lies in the roaming folder');
  yield* storesBelow(search, user.home, 'it lies in the home folder');
  for (const path of outlook.indexed) {
    const store = kindOf(path);
    if ((store !== 'pst' && store !== 'ost') || onShare(path, outlook) !== null) continue;
    if ((await kindAt(files, path)) === 'file') yield { path, why: "Outlook's search has indexed it" };
  }
}

async function* storesBelow(search: Search, folder: string, why: string): AsyncGenerator<Candidate> {
  const { files, user, leaveOut } = search;
  const found = walk(folder, {
    files,
    wanted: (name) => kindOf(name) === 'pst' || kindOf(name) === 'ost',
    ignored: (inner) =>
      isIgnored(inner) ||
      (win32.dirname(inner).toLowerCase() === user.home.toLowerCase() &&
        PROGRAM_DATA.has(win32.basename(inner).toLowerCase())),
    onSkipped: (skipped) => {
      if (skipped.why !== 'missing') leaveOut({ ...skipped, text: skippedText(skipped) });
    },
  });
  for await (const path of found) yield { path, why };
}

/** `path` by its share, where it lies on another machine: named so, or by the letter of a network drive; null: it lies here. */
function onShare(path: string, { drives }: Pick<OutlookInRegistry, 'drives'>): string | null {
  if (isNetworkPath(path)) return path;
  const remote = drives.get(path.slice(0, 2).toLowerCase());
  return remote === undefined ? null : remote + path.slice(2);
}

/** Whether Windows takes OST files out of every snapshot, which is what it does unless somebody changed it. */
async function isLeftOutOfSnapshots({ registry }: Search): Promise<boolean> {
  const keys = await registry?.read(FILES_NOT_TO_SNAPSHOT);
  return (keys ?? []).some(({ values }) =>
    values.some((value) => linesOf(value).some((line) => /\.ost\b/i.test(line))),
  );
}
