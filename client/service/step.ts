// What installing a service does, as steps that can be shown before they are taken.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as timeout } from 'node:timers/promises';
import { Failure } from '../../shared/failure.ts';
import { systemProgram } from '../system-program.ts';
import { consoleText } from '../windows/console-text.ts';
import { protectFolder } from './windows-rights.ts';

interface RunStep {
  readonly do: 'run';
  readonly program: string;
  readonly words: readonly string[];
  readonly accept?: readonly number[] | 'any';
}

/** A program run again and again until `until` says so; `what` is that as words. */
interface AwaitStep {
  readonly do: 'await';
  readonly program: string;
  readonly words: readonly string[];
  readonly what: string;
  readonly until: (ran: Ran) => boolean;
  readonly seconds: number;
  /** Whether the next step is taken even where it never is so. */
  readonly orGoOn: boolean;
}

/** One step. `accept`: exit codes that are no failure, 0 where nothing is said; `any`: the step is an improvement, no more. */
export type Step =
  | { readonly do: 'write'; readonly path: string; readonly content: string | Uint8Array }
  | { readonly do: 'remove'; readonly path: string }
  /** Windows: makes a folder, and it and all in it LocalSystem's and the administrators' alone. */
  | { readonly do: 'protect'; readonly path: string }
  | RunStep
  | AwaitStep;

export interface Ran {
  /** null where the program could not be started. */
  readonly code: number | null;
  /** Standard output and error, trimmed. */
  readonly said: string;
}

/** Runs a program of the system, given by the name of its file, to its end. Never rejects. */
export type Run = (program: string, words: readonly string[]) => Promise<Ran>;

/** Far more than any of these programs takes, ms. */
const TIMEOUT_MS = 60_000;

export const runProgram: Run = (name, words) =>
  new Promise((resolve) => {
    const program = systemProgram(name);
    if (program === null)
      return resolve({ code: null, said: `${name} is not there, or others than root could replace it` });
    execFile(
      program,
      [...words],
      { encoding: 'buffer', timeout: TIMEOUT_MS, windowsHide: true },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : null) : 0;
        const said = [stdout, stderr].map(consoleText).join('\n').trim();
        resolve({ code, said: said || (code === null ? String(error?.message) : '') });
      },
    );
  });

/** A step as one line, the way a person would type it. */
export function describeStep(step: Step): string {
  if (step.do === 'run') return [step.program, ...step.words].map(quoted).join(' ');
  if (step.do === 'await') return `wait until ${step.what}`;
  return `${step.do} ${step.path}`;
}

function quoted(word: string): string {
  return /^[\w./:=@\\-]+$/.test(word) ? word : JSON.stringify(word).replaceAll('\\\\', '\\');
}

/**
 * Takes the steps in order. The first that fails ends it with a Failure `service_failed` that names it and what it said. `pause` waits
 * for so many ms.
 */
export async function takeSteps(
  steps: readonly Step[],
  run: Run,
  pause: (ms: number) => Promise<unknown> = timeout,
): Promise<void> {
  for (const step of steps) {
    if (step.do === 'run') await runStep(step, run);
    else if (step.do === 'await') await awaitStep(step, run, pause);
    else await fileStep(step, run);
  }
}

/** What it said. */
async function runStep(step: RunStep, run: Run): Promise<string> {
  const { code, said } = await run(step.program, step.words);
  const { accept = [0] } = step;
  if (accept === 'any' || (code !== null && accept.includes(code))) return said;
  const why = said.replace(/\s+/g, ' ') || `it ended with ${code}`;
  throw new Failure('service_failed', `\`${describeStep(step)}\` failed: ${why}.`);
}

/** ms between two looks. */
const LOOK_MS = 250;

async function awaitStep(step: AwaitStep, run: Run, pause: (ms: number) => Promise<unknown>): Promise<void> {
  const { program, words, what, until, seconds, orGoOn } = step;
  for (let waited = 0; ; waited += LOOK_MS) {
    if (until(await run(program, words))) return;
    if (waited >= seconds * 1_000) break;
    await pause(LOOK_MS);
  }
  if (!orGoOn) throw new Failure('service_failed', `Waited ${seconds} s in vain until ${what}.`);
}

async function fileStep(step: Exclude<Step, RunStep | AwaitStep>, run: Run): Promise<void> {
  try {
    if (step.do === 'remove') await rm(step.path, { force: true });
    else if (step.do === 'protect')
      await protectFolder(step.path, (program, words) => runStep({ do: 'run', program, words }, run));
    else {
      await mkdir(dirname(step.path), { recursive: true });
      await writeFile(step.path, step.content);
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('service_failed', `Could not ${describeStep(step)}: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
