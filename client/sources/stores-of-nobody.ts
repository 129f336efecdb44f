// Outlook data files of Windows that no profile leads to: in the public folder, in homes whose profile is gone, and in what an upgrade
// of Windows set aside.
import { win32 } from 'node:path';
import { isIgnored, kindOf } from './find-stores.ts';
import type { FoundItem, LeftOut } from './finder.ts';
import { skippedText, walk } from './walk.ts';
import { isLocalSystem, listedHomes, type WindowsMachine } from './windows-users.ts';

/** Homes of the folder of users that Windows makes for nobody. */
const NOBODY = new Set(['default', 'default user', 'all users', 'defaultappdata', 'defaultuser0']);

interface Place {
  readonly folder: string;
  readonly owner: string;
  readonly why: string;
  /** Whether it is said where it can't be looked into: not of what may be another user's. */
  readonly isTold: boolean;
}

async function* placesOf(machine: WindowsMachine): AsyncGenerator<Place> {
  const { env, files, home } = machine;
  const isSystem = isLocalSystem(machine);
  const drive = env.SystemDrive ?? 'C:';
  const users = win32.join(`${drive}\\`, 'Users');
  const shared = env.PUBLIC ?? win32.join(users, 'Public');
  yield { folder: shared, owner: 'Public', why: 'it lies in the public folder', isTold: true };
  const foldersOf = async (folder: string) => {
    const names: string[] = [];
    try {
      for await (const { name, kind } of files.list(folder)) if (kind === 'folder') names.push(name);
    } catch {
      // It is not there, or not for this user to look into.
    }
    return names.sort();
  };
  const own = win32.basename(home).toLowerCase();
  const old = win32.join(`${drive}\\`, 'Windows.old', 'Users');
  for (const name of await foldersOf(old)) {
    const isTold = isSystem || name.toLowerCase() === own;
    yield {
      folder: win32.join(old, name),
      owner: name,
      why: 'it lies in what an upgrade of Windows set aside',
      isTold,
    };
  }
  const listed = await listedHomes(machine).catch(() => null);
  if (listed === null) return;
  const known = new Set([shared, home, ...listed].map((folder) => folder.toLowerCase()));
  for (const name of await foldersOf(users)) {
    const folder = win32.join(users, name);
    if (known.has(folder.toLowerCase()) || NOBODY.has(name.toLowerCase())) continue;
    yield { folder, owner: name, why: 'it lies in a home that no profile belongs to', isTold: isSystem };
  }
}

/** Yields them. Throws nothing of its own; what could not be looked into is left out. */
export async function* storesOfNobody(
  machine: WindowsMachine,
  leaveOut: (left: LeftOut) => void,
): AsyncGenerator<FoundItem> {
  for await (const { folder, owner, why, isTold } of placesOf(machine)) {
    const found = walk(folder, {
      files: machine.files,
      wanted: (name) => kindOf(name) === 'pst',
      ignored: (inner) => isIgnored(inner) || /\\AppData\\Local\\Temp$/i.test(inner),
      onSkipped: (skipped) => {
        if (isTold && skipped.why !== 'missing') leaveOut({ ...skipped, text: skippedText(skipped) });
      },
    });
    for await (const path of found) yield { path, kind: 'pst', take: 'pst', owner, set: null, why };
  }
}
