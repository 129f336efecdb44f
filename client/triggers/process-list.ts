// What runs on this machine: tasklist on Windows, /proc on Linux.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { win32 } from 'node:path';
import { promisify } from 'node:util';
import { consoleText } from '../windows/console-text.ts';
import type { ProcessList, RunningProgram } from './mail-programs.ts';

const run = promisify(execFile);

/** Far more than a list takes, ms. */
const TIMEOUT_MS = 20_000;

/** The list for `platform`. */
export function processList(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
): ProcessList {
  return platform === 'win32' ? () => fromTasklist(env.SystemRoot ?? 'C:\\Windows') : fromProc;
}

async function fromTasklist(systemRoot: string): Promise<RunningProgram[]> {
  const program = win32.join(systemRoot, 'System32', 'tasklist.exe');
  const { stdout } = await run(program, ['/FO', 'CSV', '/NH'], {
    encoding: 'buffer',
    timeout: TIMEOUT_MS,
    windowsHide: true,
    maxBuffer: 16_777_216,
  });
  const running = parseTasklist(stdout);
  if (running.length === 0) throw new Error('tasklist.exe named no process.');
  return running;
}

/**
 * What `tasklist /FO CSV /NH` wrote. The console's code page on Windows, UTF-16LE under Wine; names of mail programs are the same
 * in every code page. Lines that are no rows (a translated notice) are left out.
 */
export function parseTasklist(output: Buffer): RunningProgram[] {
  const running: RunningProgram[] = [];
  for (const line of consoleText(output).split(/\r?\n/)) {
    const row = /^"([^"]+)","(\d+)"/.exec(line);
    if (row) running.push({ name: row[1]!, pid: Number(row[2]) });
  }
  return running;
}

async function fromProc(): Promise<RunningProgram[]> {
  const running: RunningProgram[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may end between the two looks.
    const name = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => null);
    if (name !== null) running.push({ name: name.trimEnd(), pid: Number(entry) });
  }
  return running;
}
