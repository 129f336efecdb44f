// Registry adapter: reg.exe. Read through its exports, which hold every character; its lists are in a code page that does not.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { asFailure, Failure } from '../../shared/failure.ts';
import { decodeRegFile } from './reg-file.ts';
import { HIVE_PREFIX, type Registry } from './registry.ts';

const run = promisify(execFile);

export interface RegExe {
  /** The program with the words before those of a call: `reg.exe`, or a way to run it elsewhere. */
  readonly command: readonly [string, ...string[]];
  /** An existing folder that only its owner can look into: exports lie there for a moment. */
  readonly scratch: string;
  /** How the program names a file that this process names `path`. */
  readonly nameOf?: (path: string) => string;
}

/** Far more than an export takes: ms. */
const TIMEOUT_MS = 60_000;
/** An Outlook key takes a few MiB; one far larger is no profile, and would be held whole in memory. */
const MAX_BYTES = 67_108_864;

export function regExe({ command, scratch, nameOf = (path) => path }: RegExe): Registry {
  const [program, ...first] = command;
  const reg = async (...words: string[]): Promise<Buffer> => {
    const { stdout } = await run(program, [...first, ...words], {
      encoding: 'buffer',
      timeout: TIMEOUT_MS,
      windowsHide: true,
      maxBuffer: 16_777_216,
    });
    return stdout;
  };

  /** The messages are translated and the exit code is 1 for everything: what a key's parent lists tells what is there. */
  const isThere = async (key: string): Promise<boolean> => {
    const cut = key.lastIndexOf('\\');
    if (cut === -1) return true;
    const name = key.slice(cut + 1);
    const beside = await children(key.slice(0, cut));
    if (beside === null) return false;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is meant
    const listed = (one: string) => one.toLowerCase() === name.toLowerCase() || /[^\x00-\x7f]/.test(name);
    return beside.some(listed);
  };

  const children = async (key: string): Promise<string[] | null> => {
    let output: Buffer;
    try {
      output = await reg('query', key);
    } catch (cause) {
      if (cause instanceof Error && (await isThere(key))) throw failed(`can't list ${key}`, cause);
      return null;
    }
    return childrenIn(output, key);
  };

  const exportTo = async (key: string, file: string): Promise<boolean> => {
    // Made first, since the program would make it readable by others; it keeps the rights of a file that is there.
    await (await open(file, 'wx', 0o600)).close();
    try {
      await reg('export', key, nameOf(file), '/y');
    } catch (cause) {
      await rm(file, { force: true }).catch(() => {});
      if (await isThere(key)) throw failed(`can't export ${key}`, cause);
      return false;
    }
    return true;
  };

  const unload = async (key: string): Promise<void> => {
    try {
      await reg('unload', key);
    } catch (cause) {
      throw failed(`can't unload ${key}`, cause);
    }
  };

  return {
    children,
    exportTo,
    async read(key) {
      const file = join(scratch, `${randomUUID()}.reg`);
      try {
        if (!(await exportTo(key, file))) return null;
        const { size } = await stat(file);
        if (size > MAX_BYTES) throw new Failure('registry_failed', `${key} is too large to be read whole.`);
        return decodeRegFile(await readFile(file));
      } finally {
        // Whose folder it lies in removes that too, and says what stays.
        await rm(file, { force: true }).catch(() => {});
      }
    },
    async importFrom(file) {
      try {
        await reg('import', nameOf(file));
      } catch (cause) {
        throw failed(`can't import ${file}`, cause);
      }
    },
    async withHive(file, use) {
      const key = `HKEY_USERS\\${HIVE_PREFIX}${randomUUID()}`;
      try {
        await reg('load', key, nameOf(file));
      } catch (cause) {
        throw failed(`can't load the hive ${file}`, cause);
      }
      let result: Awaited<ReturnType<typeof use>>;
      try {
        result = await use(key);
      } catch (error) {
        await unload(key).catch(() => {});
        throw error;
      }
      await unload(key);
      return result;
    },
    async unloadLeft() {
      const failures: Failure[] = [];
      try {
        for (const name of (await children('HKEY_USERS')) ?? []) {
          if (!name.startsWith(HIVE_PREFIX)) continue;
          await unload(`HKEY_USERS\\${name}`).catch((error) => failures.push(asFailure(error)));
        }
      } catch (error) {
        failures.push(asFailure(error));
      }
      return failures;
    },
  };
}

/** Names of the keys one level below `key` in what `reg query` wrote: lines that begin with a root are keys in every language. */
function childrenIn(output: Buffer, key: string): string[] {
  const wide = output.length > 1 && (output[1] === 0 || (output[0] === 0xff && output[1] === 0xfe));
  const start = `${key.toLowerCase()}\\`;
  return output
    .toString(wide ? 'utf16le' : 'latin1')
    .split(/\r?\n/)
    .map((line) => line.replace(/^\uFEFF/, '').trimEnd())
    .filter((line) => line.toLowerCase().startsWith(start))
    .map((line) => line.slice(start.length))
    .filter((name) => name !== '' && !name.includes('\\'));
}

/** What the program said is left out: it may name what is secret, in a language nobody can rely on. */
function failed(what: string, cause: unknown): Failure {
  const { code, killed } = cause as { code?: unknown; killed?: boolean };
  const why = killed
    ? 'it did not end'
    : code === 'ENOENT'
      ? 'it is not there'
      : `it ended with ${String(code)}`;
  return new Failure('registry_failed', `reg.exe ${what}: ${why}.`, { cause });
}
