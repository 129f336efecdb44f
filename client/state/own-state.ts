// Whether a state directory is this user's alone: who could put things in it decides where mail is sent, and what is removed.
import { chmod, lstat, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../shared/failure.ts';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Sees to it that nobody else has put anything in the state directory at `root`, or can; that it is not there is well. A directory of
 * ours that others can write to is mended. Windows is told its owner by the service's installation. Failure `state_unusable` where it, or
 * anything in it, is another user's or leads elsewhere; nothing in it was read then.
 */
export async function assertOwnState(root: string): Promise<void> {
  const us = process.geteuid?.();
  const why = us === undefined ? null : await whyNotOurs(root, us);
  if (why !== null)
    throw new Failure(
      'state_unusable',
      `${why}, so that nothing in ${root} is used: run this as the user whose it is, name another place with --state, or enroll anew, which sets it aside where it can.`,
    );
}

/**
 * The same before a device is enrolled there: what is not ours is renamed, whole and unread. Returns what it is called now; null where all
 * is ours. Failure `state_unusable` where it can't be renamed, or lies in its owner's own folder.
 */
export async function setAsideOthersState(root: string, now: number): Promise<string | null> {
  const us = process.geteuid?.();
  if (us === undefined || (await whyNotOurs(root, us)) === null) return null;
  const [named, above] = [await lstatOrNull(root), await lstatOrNull(dirname(root))];
  // In their own folder it is theirs in good faith, and what is put there in its place would be in their hands too.
  if (named && named.uid !== us && above?.uid === named.uid) await assertOwnState(root);
  const aside = join(dirname(root), `${basename(root)}.of-another-${now}`);
  await rename(root, aside).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(
      'state_unusable',
      `${root} is another user's and can't be set aside (${cause.code}): remove it, or name another place with --state.`,
      { cause },
    );
  });
  return aside;
}

async function whyNotOurs(root: string, us: number): Promise<string | null> {
  const named = await lstatOrNull(root);
  if (named === null) return null;
  // A link of ours, or of root, where state is to lie elsewhere, is followed.
  if (named.isSymbolicLink() && named.uid !== us && named.uid !== 0) return `${root} is another user's link`;
  const there = named.isSymbolicLink() ? await stat(root).catch(() => null) : named;
  if (!there?.isDirectory()) return null;
  if (there.uid !== us) return `${root} belongs to another user`;
  if ((there.mode & WRITABLE_BY_OTHERS) === 0) return null;
  await chmod(root, there.mode & 0o777 & ~WRITABLE_BY_OTHERS);
  for (const name of await readdir(root)) {
    const inside = await lstatOrNull(join(root, name));
    if (inside !== null && (inside.uid !== us || inside.isSymbolicLink()))
      return `${join(root, name)} was put there by another user, or leads elsewhere`;
  }
  return null;
}

async function lstatOrNull(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new Failure('state_unusable', `${path} can't be looked at (${error.code}).`, { cause: error });
  });
}
