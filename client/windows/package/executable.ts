// mailferry.exe: the device and its workers bundled into scripts, and those put into Node's own executable (SEA).
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { nodeForBlob, windowsNode } from './node-runtime.ts';
import { tool } from './tools.ts';

/** Scripts that run in threads of their own; worker-thread.ts finds them as assets by these names. */
export const WORKERS = ['pack/packer-worker.js', 'scan/whole-hash-worker.js'] as const;

/** Node looks for this mark to know that something was injected (node/src/node_sea.cc; documented with single executables). */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** What stands for import.meta.url in a bundle: files beside the program are found by it. */
const HERE = "const __mailferryHere = require('node:url').pathToFileURL(process.execPath).href;";

export interface ExecutableOptions {
  /** The project's folder, with dist/ built and node_modules. */
  readonly root: string;
  /** Where intermediate files go. */
  readonly work: string;
  /** Where fetched Nodes are kept. */
  readonly cache: string;
}

/** Makes `to`. It carries no signature: injecting ends the one that node.exe had. */
export async function makeExecutable(to: string, { root, work, cache }: ExecutableOptions): Promise<void> {
  const bundle = async (script: string): Promise<string> => {
    const out = join(work, basename(script).replace(/^main\.js$/, 'mailferry.cjs'));
    await build({
      entryPoints: [join(root, 'dist', 'client', script)],
      outfile: out,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node24',
      logLevel: 'warning',
      external: ['kerberos'],
      plugins: [sqliteBeside(root)],
      define: { 'import.meta.url': '__mailferryHere' },
      banner: { js: HERE },
    });
    return out;
  };
  await mkdir(work, { recursive: true });
  const main = await bundle('main.js');
  const assets: Record<string, string> = {};
  for (const script of WORKERS) assets[basename(script)] = await bundle(script);
  const blob = join(work, 'mailferry.blob');
  const config = join(work, 'sea.json');
  const sea = {
    main,
    output: blob,
    assets,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
  };
  await writeFile(config, JSON.stringify(sea));
  await tool(await nodeForBlob(root), ['--experimental-sea-config', config]);
  await copyUnsigned(await windowsNode(root, cache), to);
  const postject = join(root, 'node_modules', 'postject', 'dist', 'cli.js');
  await tool(process.execPath, [postject, to, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE]);
}

/** better-sqlite3 by its entry for Windows on x64, with its library beside the program. */
function sqliteBeside(root: string): Plugin {
  const entry = join(root, 'node_modules', 'better-sqlite3', 'lib', 'win32-x64.js');
  const library = join(root, 'client', 'windows', 'package', 'sqlite-beside.cjs');
  return {
    name: 'sqlite-beside',
    setup({ onResolve }) {
      onResolve({ filter: /^better-sqlite3$/ }, () => ({ path: entry }));
      onResolve({ filter: /win32-x64\.node$/ }, () => ({ path: library }));
    },
  };
}

/** A copy without node.exe's signature: over an injected blob it would be a broken one, and no other could be put beside it. */
async function copyUnsigned(from: string, to: string): Promise<void> {
  if (process.platform === 'win32') return copyFile(from, to);
  await tool('osslsigncode', ['remove-signature', '-in', from, '-out', to]);
}
