// Windows PowerShell as another process: one request in, one answer out, never longer than it was given time for.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { win32 } from 'node:path';
import { Failure } from '../../../shared/failure.ts';
import type * as z from '../../../shared/schema.ts';
import { type Ended, readAnswer } from './answer.ts';

export interface PowerShell {
  /** The program: powershellProgram() says where it is. */
  readonly program: string;
  /** shadow-copy.ps1 on the disk, where only administrators can write. */
  readonly script: string;
}

/**
 * Where Windows 10 and 11 have it, whatever processor Node is built for. Never the one of PATH, which anyone may have put there.
 * `systemRoot`: the variable SystemRoot.
 */
export function powershellProgram(systemRoot: string | undefined): string {
  const root = systemRoot ?? 'C:\\Windows';
  return win32.join(root, 'System32', 'WindowsPowerShell', 'v1.0', 'powershell.exe');
}

/** What the script can be asked. */
export type Request =
  | { readonly action: 'look' }
  | { readonly action: 'create'; readonly volume: string }
  | { readonly action: 'find'; readonly id: string }
  | { readonly action: 'delete'; readonly id: string };

/** Most bytes of an answer: thousands of volumes and shadow copies fit. */
const ANSWER_BYTES = 8_388_608;
/** After a process was ended its pipes may be held open by others; they are not waited for longer than this, ms. */
const PIPE_PATIENCE_MS = 2_000;

/**
 * Asks the script once. An answer with an error in it is returned too; everything without an answer is a Failure: `snapshot_denied`
 * where a rule of the machine forbids the script, `snapshot_unavailable` where there is no PowerShell, else `snapshot_failed`.
 * `detail.began` is false where the script was certainly never started.
 */
export async function askPowerShell<T>(
  { program, script }: PowerShell,
  request: Request,
  result: z.ZodType<T>,
  timeoutMs: number,
) {
  const id = randomUUID();
  const words = [
    ...['-NoLogo', '-NoProfile', '-NonInteractive', '-InputFormat', 'Text', '-OutputFormat', 'Text'],
    ...['-ExecutionPolicy', 'Bypass', '-File', script],
  ];
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  child.stdin.on('error', () => {}); // An end before the request was read shows in how it ended.
  child.stdin.end(`${asciiJson({ request: id, ...request })}\n`);
  let ended: Ended | 'late';
  try {
    ended = await endOf(child, timeoutMs);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'is not there' : `can't be started (${(cause as NodeJS.ErrnoException).code})`;
    const code = missing ? 'snapshot_unavailable' : 'snapshot_denied';
    throw new Failure(code, `Windows PowerShell ${why}: ${program}.`, { cause, detail: { began: false } });
  }
  if (ended === 'late') {
    throw new Failure(
      'snapshot_failed',
      `Windows PowerShell did not answer within ${Math.round(timeoutMs / 1_000)} s.`,
    );
  }
  const answer = readAnswer(ended, id, result);
  if (answer.kind !== 'silent') return answer;
  const code = answer.policy ? 'snapshot_denied' : 'snapshot_failed';
  const detail = answer.policy && !answer.begun ? { began: false } : {};
  throw new Failure(code, `Windows PowerShell ${answer.why}.`, { detail });
}

/** JSON in ASCII: PowerShell reads its input in the console's code page. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** How it ended and what it wrote; `late` where it had to be ended; rejects where it could not be started. */
async function endOf(child: ChildProcess, timeoutMs: number): Promise<Ended | 'late'> {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('latin1').on('data', (text: string) => {
      if (written[name].length < ANSWER_BYTES) written[name] += text;
    });
  }
  let late = false;
  const watchdog = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      const tell = (code: number | null, signal: NodeJS.Signals | null) =>
        resolve(late ? 'late' : { code, signal, ...written });
      child.once('error', reject);
      child.once('close', tell);
      child.once('exit', (code, signal) => {
        setTimeout(() => tell(code, signal), PIPE_PATIENCE_MS).unref();
      });
    });
  } finally {
    clearTimeout(watchdog);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}
