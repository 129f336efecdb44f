// Durable files as they would be had their author not known that a directory needs an fsync of its own.
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';

export * from '../../../server/durable-file.ts';

export async function syncDirectory(_path: string): Promise<void> {}

export async function makeDirectory(root: string, path = root): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

export async function writeDurably(
  directory: string,
  name: string,
  bytes: Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = join(directory, `${name}.tmp`);
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, name));
}
