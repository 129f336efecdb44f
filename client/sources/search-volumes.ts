// The search of whole volumes for Outlook data files, for who asks for it: every fixed disk, whoever's folder it is.
import { isFar } from '../far/files-here.ts';
import { diskMounts } from '../far/mounts.ts';
import type { Registry } from '../registry/registry.ts';
import type { FileView } from './file-view.ts';
import { isIgnored, kindOf } from './find-stores.ts';
import type { FoundItem, LeftOut } from './finder.ts';
import { skippedText, walk } from './walk.ts';

const MOUNTED_DEVICES = 'HKEY_LOCAL_MACHINE\\SYSTEM\\MountedDevices';

/**
 * The roots of the fixed volumes of this machine. On Windows those with a letter: a letter's value in the registry is the signature of a
 * disk and an offset (12 bytes), or `DMIO:ID:` and the GUID of a partition; of what can be pulled out it is the name of a device.
 */
export async function fixedVolumes(machine: {
  readonly platform: string;
  readonly registry: Registry | null;
  readonly files: FileView;
}): Promise<string[]> {
  if (machine.platform !== 'win32') return diskMounts();
  const keys = await machine.registry?.read(MOUNTED_DEVICES).catch(() => null);
  const roots: string[] = [];
  for (const { name, data } of (keys ?? []).flatMap(({ values }) => values)) {
    const letter = /^\\DosDevices\\([a-z]):$/i.exec(name)?.[1];
    const isFixed = data.length === 12 || Buffer.from(data.subarray(0, 8)).toString('latin1') === 'DMIO:ID:';
    if (letter !== undefined && isFixed) roots.push(`${letter.toUpperCase()}:\\`);
  }
  return roots.sort();
}

/** Folders in which other users' things lie that this one may not see: one line says how many. */
const NOT_OURS = new Set(['EPERM', 'EACCES']);

/** Yields every PST on the volumes. Throws nothing of its own; what could not be looked into is left out. */
export async function* storesOnVolumes(
  volumes: readonly string[],
  { files, leaveOut }: { readonly files: FileView; readonly leaveOut: (left: LeftOut) => void },
): AsyncGenerator<FoundItem> {
  for (const volume of volumes) {
    let closed = 0;
    const found = walk(volume, {
      files,
      wanted: (name) => kindOf(name) === 'pst',
      ignored: (folder) =>
        isIgnored(folder) ||
        isFar(folder) ||
        /^[a-z]:\\windows$/i.test(folder) ||
        (volumes.includes(folder) && folder !== volume),
      onSkipped: (skipped) => {
        if (NOT_OURS.has(skipped.code ?? '')) closed++;
        // Links on whole volumes are those of the system and its programs by the thousand; where they lead is searched itself.
        else if (skipped.why !== 'missing' && skipped.why !== 'link')
          leaveOut({ ...skipped, text: skippedText(skipped) });
      },
    });
    const why = `the search of ${volume} found it`;
    for await (const path of found) yield { path, kind: 'pst', take: 'pst', owner: '', set: null, why };
    if (closed > 0)
      leaveOut({
        path: volume,
        why: 'unreadable',
        text: `${closed} folders of it can't be looked into by this user`,
      });
  }
}
