// Keeps a few files open, so that a restore from many packs does not open one for every frame.
import type { FileHandle } from 'node:fs/promises';

interface OpenFile {
  readonly opening: Promise<FileHandle>;
  users: number;
}

/** At most `most` files rest open; those in use don't count, and each is closed once nobody uses it and it is oldest. */
export class OpenFiles {
  readonly #most: number;
  readonly #files = new Map<string, OpenFile>();
  /** Under no name any more, but still in use. */
  readonly #forgotten = new Set<OpenFile>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Lends the file of the name `key` to `use`; `open` is called where it does not rest open. */
  async with<Result>(
    key: string,
    open: () => Promise<FileHandle>,
    use: (file: FileHandle) => Promise<Result>,
  ): Promise<Result> {
    const file = this.#files.get(key) ?? { opening: open(), users: 0 };
    this.#files.delete(key);
    this.#files.set(key, file);
    file.users++;
    try {
      return await use(await file.opening);
    } finally {
      file.users--;
      if (file.users === 0 && this.#forgotten.delete(file)) await closeQuietly(file);
      await this.#shrink(key, file);
    }
  }

  /** Lets go of a file whose name now stands for another one; it is closed when nobody uses it. */
  forget(key: string): void {
    const file = this.#files.get(key);
    if (!file) return;
    this.#files.delete(key);
    if (file.users === 0) void closeQuietly(file);
    else this.#forgotten.add(file);
  }

  /** The same for all files whose key begins so. */
  forgetAll(prefix: string): void {
    for (const key of [...this.#files.keys()]) if (key.startsWith(prefix)) this.forget(key);
  }

  /** Closes all that nobody uses. */
  async closeIdle(): Promise<void> {
    const idle = [...this.#files].filter(([, { users }]) => users === 0);
    for (const [key] of idle) this.#files.delete(key);
    await Promise.all(idle.map(([, file]) => closeQuietly(file)));
  }

  async #shrink(key: string, file: OpenFile): Promise<void> {
    const handle = await file.opening.catch(() => undefined);
    if (!handle && this.#files.get(key) === file) this.#files.delete(key);
    for (const [oldest, { opening, users }] of this.#files) {
      if (this.#files.size <= this.#most) return;
      if (users > 0) continue;
      this.#files.delete(oldest);
      await (await opening).close();
    }
  }

  async close(): Promise<void> {
    for (const { opening } of this.#files.values()) await (await opening.catch(() => undefined))?.close();
    this.#files.clear();
  }
}

async function closeQuietly({ opening }: OpenFile): Promise<void> {
  const handle = await opening.catch(() => undefined);
  await handle?.close().catch(() => undefined);
}
