// better-sqlite3's library for Windows: it lies in the npm package, beside that for this machine; checked before it is packaged.
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { PackageError } from './tools.ts';

/** The library's name beside mailferry.exe; sqlite-beside.cjs loads it from there. */
export const SQLITE_LIBRARY = 'better_sqlite3.node';

/** IMAGE_FILE_MACHINE_AMD64 ([PE format], machine types). */
const AMD64 = 0x8664;

/** The library for Windows on x64 in better-sqlite3 as `root` has it installed. It is N-API: one library for every Node from 22 on. */
export function windowsLibrary(root: string): string {
  return join(root, 'node_modules', 'better-sqlite3', 'prebuilds', 'win32-x64.node');
}

/**
 * A PackageError unless `path` is a library for Windows on x64 with the same SQLite, to the check-in, as the library that runs here:
 * what the tests ran on is what is packaged.
 */
export async function checkLibrary(path: string): Promise<void> {
  const file = await open(path).catch((cause) => {
    throw new PackageError(`${path} can't be read; run \`npm ci\`.`, { cause });
  });
  try {
    const head = Buffer.alloc(4_096);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    // "MZ", and at 0x3c where "PE\0\0" and the machine follow ([PE format], MS-DOS stub).
    const at =
      bytesRead >= 64 && head.toString('latin1', 0, 2) === 'MZ' ? head.readUInt32LE(0x3c) : head.length;
    const portable = at + 6 <= bytesRead && head.toString('latin1', at, at + 4) === 'PE\0\0';
    if (!portable || head.readUInt16LE(at + 4) !== AMD64)
      throw new PackageError(`${path} is no library for Windows on x64; run \`npm ci\`.`);
  } finally {
    await file.close();
  }
  const source = sqliteSource();
  if (!(await readFile(path)).includes(source))
    throw new PackageError(`${path} does not hold the SQLite of ${source}, which runs here; run \`npm ci\`.`);
}

/** When SQLite as it runs here was checked in, and the hash of that. */
export function sqliteSource(): string {
  const db = new Database(':memory:');
  try {
    return db.prepare<[], string>('SELECT sqlite_source_id()').pluck().get()!;
  } finally {
    db.close();
  }
}
