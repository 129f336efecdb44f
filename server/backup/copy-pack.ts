// One pack into the staging of a copy: cloned where the file systems can, read and written where not, and compared with its id.
import { constants, copyFile, lstat, open, rm } from 'node:fs/promises';
import { toHex } from '../../shared/byte-codec.ts';
import { codeOf } from '../disk-failure.ts';
import { startSha256 } from '../sha256.ts';

const READ_BYTES = 1_048_576;

/** What says that a clone can't be had between these two places. */
const NO_CLONE = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
  'EINVAL',
  'ENOSYS',
  'ENOTTY',
  'EPERM',
  'ETXTBSY',
]);

export type Copied = 'copied' | 'missing' | 'damaged' | 'link';

export class PackCopier {
  /** Until a clone was tried and refused. */
  #canClone = true;

  /** Whether bytes are shared by both files rather than written again, as far as is known. */
  get clones(): boolean {
    return this.#canClone;
  }

  /** Finds out whether the file system of `source` and `target` shares bytes. `target` is gone afterwards. */
  async tryClone(source: string, target: string): Promise<void> {
    await this.#clone(source, target);
    await rm(target, { force: true });
  }

  /**
   * Copies a pack of `bytes` to `target`, which is replaced. Anything but `copied`: the source is not what its name says, and the
   * target is of no use. Failures are the disk's. `told` gets the bytes as they are done with.
   */
  async copy(
    source: string,
    target: string,
    { id, bytes }: { readonly id: string; readonly bytes: number },
    told: (bytes: number) => void,
  ): Promise<Copied> {
    try {
      const found = await lstat(source);
      if (found.isSymbolicLink()) return 'link';
      if (found.size !== bytes) return 'damaged';
      const isClone = await this.#clone(source, target);
      const hash = isClone
        ? await hashOf(target, bytes, { told })
        : await hashOf(source, bytes, { told, into: target });
      return hash === id ? 'copied' : 'damaged';
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'missing';
      // A sector that can't be read is as lost as one that is wrong.
      if (codeOf(error) === 'EIO' && (error as NodeJS.ErrnoException).syscall === 'read') return 'damaged';
      throw error;
    }
  }

  async #clone(source: string, target: string): Promise<boolean> {
    if (!this.#canClone) return false;
    await rm(target, { force: true });
    try {
      await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
      return true;
    } catch (error) {
      await rm(target, { force: true });
      if (!NO_CLONE.has(codeOf(error))) throw error;
      this.#canClone = false;
      return false;
    }
  }
}

/** The SHA-256 of the first `bytes` of a file, in hexadecimal; they are written to `into` in the same read. No link is followed. */
export async function hashOf(
  path: string,
  bytes: number,
  { told, into }: { readonly told?: (bytes: number) => void; readonly into?: string } = {},
): Promise<string> {
  const source = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const target = into === undefined ? undefined : await open(into, 'w', 0o600);
    try {
      const hash = startSha256();
      const buffer = new Uint8Array(Math.min(READ_BYTES, Math.max(1, bytes)));
      for (let at = 0; at < bytes; ) {
        const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        if (target) await writeFully(target, piece);
        told?.(bytesRead);
        at += bytesRead;
      }
      return toHex(hash.digest());
    } finally {
      await target?.close();
    }
  } finally {
    await source.close();
  }
}

async function writeFully(file: Awaited<ReturnType<typeof open>>, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done);
    done += bytesWritten;
  }
}
