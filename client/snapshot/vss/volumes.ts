// Which volume holds a path, whether it can be frozen, and where the path lies in its shadow copy. Pure; paths are Windows'.
import type { PlatformPath } from 'node:path';
import type { Look } from './answer.ts';

export interface HoldingVolume {
  /** The mount point: `C:\`, or a folder. */
  readonly root: string;
  /** `\\?\Volume{GUID}\`: what Windows is asked by. */
  readonly device: string;
}

export type Holding =
  | { readonly volume: HoldingVolume }
  /** Why it can't be frozen: a whole sentence. */
  | { readonly why: string };

/** Win32_Volume.DriveType of a fixed disk. */
const FIXED = 3;
const DRIVE_TYPES: Readonly<Record<number, string>> = {
  2: 'a removable disk',
  4: 'a network drive',
  5: 'a disc',
  6: 'a RAM disk',
};

/** The volume whose mount point is the longest beginning of `real` (absolute, links resolved), and whether it can be frozen. */
export function volumeHolding(look: Look, real: string, path: PlatformPath): Holding {
  // `\\?\C:\` and `C:\` are one place; a share, in either form, is no volume of this machine.
  const plain = real.replace(/^\\\\\?\\(?=[a-z]:)/i, '');
  if (/^\\\\/.test(plain)) {
    return { why: `${real} is on a network drive, which this machine can't freeze.` };
  }
  const mounts = [
    ...look.volumes.flatMap(({ name, device }) => (name === null ? [] : [{ folder: name, device }])),
    ...look.mounts,
  ].map(({ folder, device }) => ({ root: folder.endsWith(path.sep) ? folder : folder + path.sep, device }));
  const holding = mounts
    .filter(({ root }) => holds(root, plain, path))
    .toSorted((a, b) => b.root.length - a.root.length)[0];
  const volume = look.volumes.find(({ device }) => device.toLowerCase() === holding?.device.toLowerCase());
  if (!holding || !volume) {
    return {
      why: `${real} is on no volume of this machine: a network drive, or one that is made up by a program.`,
    };
  }
  if (volume.driveType !== FIXED) {
    const type = DRIVE_TYPES[volume.driveType] ?? 'no fixed disk';
    return { why: `${real} is on ${holding.root}, ${type}, of which Windows makes no shadow copies.` };
  }
  // Client-accessible shadow copies are persistent, and those are made of NTFS alone (Microsoft, "Shadow Copy Context Configurations").
  if (volume.fileSystem?.toUpperCase() !== 'NTFS') {
    const format = volume.fileSystem ?? 'not formatted';
    return {
      why: `${real} is on ${holding.root}, which is ${format}; Windows makes these shadow copies of NTFS alone.`,
    };
  }
  return { volume: { root: holding.root, device: volume.device } };
}

function holds(root: string, file: string, path: PlatformPath): boolean {
  const fold = (text: string) => (path.sep === '\\' ? text.toLowerCase() : text);
  return fold(file).startsWith(fold(root)) && file.length > root.length;
}

/**
 * Where `real` lies in the shadow copy `device` of the volume mounted at `root`. Joined as text: the device alone names a disk and
 * no folder, and Node's own joining of paths would walk out of it. A RangeError for a path that is not below `root`.
 */
export function shadowPath(device: string, root: string, real: string, path: PlatformPath): string {
  const plain = path.normalize(real.replace(/^\\\\\?\\(?=[a-z]:)/i, ''));
  if (!holds(root, plain, path)) throw new RangeError(`${real} is not below ${root}`);
  return device + path.sep + plain.slice(root.length);
}
