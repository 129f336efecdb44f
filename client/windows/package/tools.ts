// The programs that make the package, run one after the other; each that is missing is named with the package that has it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What was asked of the builder can't be done here; the message is one sentence. */
export class PackageError extends Error {}

/** Debian's package for each program that is not npm's. */
const DEBIAN: Readonly<Record<string, string>> = {
  'x86_64-w64-mingw32-gcc': 'gcc-mingw-w64-x86-64',
  osslsigncode: 'osslsigncode',
  wixl: 'wixl',
};

/** Runs a program to its end. A PackageError with what it said where it fails. Postject takes most of a minute. */
export async function tool(
  program: string,
  words: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  try {
    const { stdout } = await run(program, [...words], {
      ...options,
      timeout: 300_000,
      maxBuffer: 16_777_216,
    });
    return stdout;
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException & { stderr?: string; stdout?: string };
    if (error.code === 'ENOENT') {
      const from = DEBIAN[program];
      throw new PackageError(`${program} is not installed${from ? ` (Debian: ${from})` : ''}.`, { cause });
    }
    const said = [error.stderr, error.stdout].map((text) => text?.trim()).find(Boolean) ?? error.message;
    throw new PackageError(`${program} failed: ${said}`, { cause });
  }
}
