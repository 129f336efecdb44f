// npm run package:windows: makes mailferry.exe, its service host and an MSI, on Linux, out of npm's and Debian's packages alone.
import '../../node-floor.ts';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from '../../version.ts';
import { makeExecutable } from './executable.ts';
import { installerSource } from './installer.ts';
import { HOST_COMPILER, hostCompilerWords } from './service-host.ts';
import { certificateOf, sign } from './sign.ts';
import { checkLibrary, SQLITE_LIBRARY, windowsLibrary } from './sqlite-binary.ts';
import { PackageError, tool } from './tools.ts';

const HELP = `npm run package:windows -- [--out DIR]

  --out DIR  where the results go; dist/windows

Signed where MAILFERRY_SIGN_CERTIFICATE names a PKCS#12 file (with MAILFERRY_SIGN_CERTIFICATE_PASSWORD_FILE and
MAILFERRY_SIGN_TIMESTAMP_URL). Windows' Node is kept in MAILFERRY_PACKAGE_CACHE, ~/.cache/mailferry-package.`;

/** The scripts that the program runs, beside it as they lie beside the code. */
const SCRIPTS = ['snapshot/vss/shadow-copy.ps1'];

interface Built {
  /** The folder as it would be installed, and the MSI of it. */
  readonly folder: string;
  readonly msi: string;
  readonly signed: boolean;
}

async function build(root: string, out: string): Promise<Built> {
  const env = process.env;
  const library = windowsLibrary(root);
  await checkLibrary(library);
  await rm(out, { recursive: true, force: true });
  const folder = join(out, 'Mailferry');
  const work = join(out, 'work');
  await mkdir(folder, { recursive: true });

  await cp(library, join(folder, SQLITE_LIBRARY));
  const cache =
    env.MAILFERRY_PACKAGE_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mailferry-package');
  await makeExecutable(join(folder, 'mailferry.exe'), { root, work, cache });
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
  const name = `mailferry-${VERSION}-x64.msi`;
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
  return { folder, msi, signed: certificate !== null };
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { out: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const root = process.cwd();
  if (!existsSync(join(root, 'dist', 'client', 'main.js')))
    throw new PackageError('Run `npm run build` first, in the folder of the project.');
  const built = await build(root, resolve(values.out ?? join('dist', 'windows')));
  process.stdout.write(
    `${built.folder}\n${built.msi}\n${built.signed ? 'signed' : 'not signed: no certificate was given'}\n`,
  );
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof PackageError)) throw error;
  process.stderr.write(`package:windows: ${error.message}\n`);
  process.exitCode = 1;
}
