// npm run package:windows: makes mailferry.exe, its service host and an MSI, on Linux, out of npm's and Debian's packages alone.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from '../../version.ts';
import { makeExecutable } from './executable.ts';
import { installerSource } from './installer.ts';
import { HOST_COMPILER, hostCompilerWords } from './service-host.ts';
import { certificateOf, sign } from './sign.ts';
import { checkLibrary, libraryFromCache, prebuiltName, SQLITE_LIBRARY } from './sqlite-binary.ts';
import { PackageError, tool } from './tools.ts';

const HELP = `npm run package:windows -- [--out DIR] [--sqlite FILE]

  --out DIR      where the results go; dist/windows
  --sqlite FILE  ${SQLITE_LIBRARY} of better-sqlite3 for Windows on x64 (MAILFERRY_SQLITE_BINARY)

Signed where MAILFERRY_SIGN_CERTIFICATE names a PKCS#12 file (with MAILFERRY_SIGN_CERTIFICATE_PASSWORD_FILE and
MAILFERRY_SIGN_TIMESTAMP_URL). Fetched Nodes are kept in MAILFERRY_PACKAGE_CACHE, ~/.cache/mailferry-package.`;

/** The scripts that the program runs, beside it as they lie beside the code. */
const SCRIPTS = ['snapshot/vss/shadow-copy.ps1'];

interface Built {
  /** The folder as it would be installed, and the MSI of it. */
  readonly folder: string;
  readonly msi: string;
  readonly signed: boolean;
  /** What the result lacks, as a sentence; null where it is whole. */
  readonly lacks: string | null;
}

async function build(
  root: string,
  options: { out: string; sqlite?: string; standIn?: string },
): Promise<Built> {
  const env = process.env;
  const { out, standIn } = options;
  await rm(out, { recursive: true, force: true });
  const folder = join(out, 'Mailferry');
  const work = join(out, 'work');
  await mkdir(folder, { recursive: true });

  const lacks = standIn
    ? `a module stands in for better-sqlite3: ${standIn}`
    : await takeLibrary(root, join(folder, SQLITE_LIBRARY), options.sqlite ?? env.MAILFERRY_SQLITE_BINARY);
  const cache =
    env.MAILFERRY_PACKAGE_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mailferry-package');
  await makeExecutable(join(folder, 'mailferry.exe'), { root, work, cache, ...(standIn ? { standIn } : {}) });
  const source = join(root, 'client', 'windows', 'service-host', 'service-host.c');
  await tool(HOST_COMPILER, hostCompilerWords(source, join(folder, 'mailferry-service.exe')));
  for (const script of SCRIPTS) await cp(join(root, 'client', script), join(folder, script));
  await cp(join(root, 'client', 'windows', 'policy'), join(folder, 'policy'), { recursive: true });
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE.txt'));

  const certificate = certificateOf(env);
  const signable = ['mailferry.exe', 'mailferry-service.exe', ...SCRIPTS];
  if (certificate) for (const file of signable) await sign(join(folder, file), certificate);
  const wxs = join(out, 'mailferry.wxs');
  const files = await filesOf(folder);
  await writeFile(wxs, installerSource({ version: VERSION, folder: 'Mailferry', files }));
  const name = `mailferry-${VERSION}-x64${standIn ? '-with-stand-in' : lacks ? '-without-sqlite' : ''}.msi`;
  const msi = join(out, name);
  await tool('wixl', ['-a', 'x64', '-o', msi, wxs], { cwd: out });
  await rm(wxs);
  if (certificate) await sign(msi, certificate);
  await rm(work, { recursive: true });
  const sums = [...files.map((file) => join('Mailferry', file)), name].map(
    async (file) =>
      `${createHash('sha256')
        .update(await readFile(join(out, file)))
        .digest('hex')}  ${file}\n`,
  );
  await writeFile(join(out, 'SHA256SUMS'), (await Promise.all(sums)).join(''));
  return { folder, msi, signed: certificate !== null, lacks };
}

/** Puts better-sqlite3's library at `to`; a sentence on what is missing where it can't be had. */
async function takeLibrary(root: string, to: string, given: string | undefined): Promise<string | null> {
  if (given) {
    await checkLibrary(given);
    await cp(given, to);
    return null;
  }
  const manifest = join(root, 'node_modules', 'better-sqlite3', 'package.json');
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const npmCache = (await tool(npm, ['config', 'get', 'cache'])).trim();
  if (await libraryFromCache(npmCache, version, to)) return null;
  return (
    `the library of better-sqlite3 ${version} for Windows: it is not given (--sqlite), and ${prebuiltName(version)} is not in ` +
    `${join(npmCache, '_prebuilds')}; \`npm ci\` on Windows with this Node's version makes node_modules/better-sqlite3/build/Release/${SQLITE_LIBRARY}`
  );
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      sqlite: { type: 'string' },
      // For tests, under Wine, where there is no library: its result is named so.
      'stand-in': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const root = process.cwd();
  if (!existsSync(join(root, 'dist', 'client', 'main.js')))
    throw new PackageError('Run `npm run build` first, in the folder of the project.');
  const standIn = values['stand-in'];
  const built = await build(root, {
    out: values.out ?? join(root, 'dist', 'windows'),
    ...(values.sqlite ? { sqlite: values.sqlite } : {}),
    ...(standIn ? { standIn } : {}),
  });
  process.stdout.write(
    `${built.folder}\n${built.msi}\n${built.signed ? 'signed' : 'not signed: no certificate was given'}\n`,
  );
  if (!built.lacks) return 0;
  process.stdout.write(`NOT WHOLE, do not hand it out. It lacks ${built.lacks}.\n`);
  // A result that lacks something is a failure, unless that was asked for.
  return standIn ? 0 : 3;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof PackageError)) throw error;
  process.stderr.write(`package:windows: ${error.message}\n`);
  process.exitCode = 1;
}
