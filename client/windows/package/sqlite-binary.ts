// better-sqlite3's library for Windows: given, or in npm's cache of ready binaries; checked before it is packaged.
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_ABI } from './node-runtime.ts';
import { PackageError, tool } from './tools.ts';

export const SQLITE_LIBRARY = 'better_sqlite3.node';

/** IMAGE_FILE_MACHINE_AMD64 ([PE format], machine types). */
const AMD64 = 0x8664;

/** A PackageError unless `path` is a library for Windows on x64 and for the Node that is packaged. */
export async function checkLibrary(path: string): Promise<void> {
  const file = await open(path).catch((cause) => {
    throw new PackageError(`${path} can't be read.`, { cause });
  });
  try {
    const head = Buffer.alloc(4_096);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    // "MZ", and at 0x3c where "PE\0\0" and the machine follow ([PE format], MS-DOS stub).
    const at =
      bytesRead >= 64 && head.toString('latin1', 0, 2) === 'MZ' ? head.readUInt32LE(0x3c) : head.length;
    const portable = at + 6 <= bytesRead && head.toString('latin1', at, at + 4) === 'PE\0\0';
    if (!portable || head.readUInt16LE(at + 4) !== AMD64)
      throw new PackageError(`${path} is no library for Windows on x64.`);
  } finally {
    await file.close();
  }
  // A native module tells its Node by the name of what it exports (node.h, NODE_MODULE_INITIALIZER).
  const abi = /node_register_module_v(\d+)/.exec(await readFile(path, 'latin1'))?.[1];
  if (abi !== NODE_ABI) {
    throw new PackageError(
      `${path} is built for Node's module version ${abi ?? 'unknown'}, and the package has ${NODE_ABI}.`,
    );
  }
}

/** The ready binary's name as prebuild-install keeps it, behind the hash of its address. */
export function prebuiltName(version: string): string {
  return `better-sqlite3-v${version}-node-v${NODE_ABI}-win32-x64.tar.gz`;
}

/** Looks for the ready binary in `npmCache`/_prebuilds and puts the library at `to`. False where it is not there. */
export async function libraryFromCache(npmCache: string, version: string, to: string): Promise<boolean> {
  const folder = join(npmCache, '_prebuilds');
  const names = existsSync(folder) ? await readdir(folder) : [];
  const name = names.find((each) => each.endsWith(prebuiltName(version)));
  if (!name) return false;
  const part = await mkdtemp(join(tmpdir(), 'mailferry-package-'));
  try {
    await tool('tar', ['xzf', join(folder, name), '-C', part]);
    const library = join(part, 'build', 'Release', SQLITE_LIBRARY);
    await checkLibrary(library);
    await rename(library, to).catch(() => copyFile(library, to));
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return true;
}
