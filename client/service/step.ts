// What installing a service does, as steps that can be shown before they are taken.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { consoleText } from '../windows/console-text.ts';

/** One step. `accept`: exit codes that are no failure, 0 where nothing is said; `any`: the step is an improvement, no more. */
export type Step =
  | { readonly do: 'write'; readonly path: string; readonly content: string | Uint8Array }
  | { readonly do: 'remove'; readonly path: string }
  | {
      readonly do: 'run';
      readonly program: string;
      readonly words: readonly string[];
      readonly accept?: readonly number[] | 'any';
    };

export interface Ran {
  /** null where the program could not be started. */
  readonly code: number | null;
  /** Standard output and error, trimmed. */
  readonly said: string;
}

/** Runs a program to its end. Never rejects. */
export type Run = (program: string, words: readonly string[]) => Promise<Ran>;

/** Far more than any of these programs takes, ms. */
const TIMEOUT_MS = 60_000;

export const runProgram: Run = (program, words) =>
  new Promise((resolve) => {
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
  return `${step.do} ${step.path}`;
}

function quoted(word: string): string {
  return /^[\w./:=@\\-]+$/.test(word) ? word : JSON.stringify(word).replaceAll('\\\\', '\\');
}

/** Takes the steps in order. The first that fails ends it with a Failure `service_failed` that names it and what it said. */
export async function takeSteps(steps: readonly Step[], run: Run): Promise<void> {
  for (const step of steps) {
    if (step.do === 'run') {
      const { code, said } = await run(step.program, step.words);
      const { accept = [0] } = step;
      if (accept !== 'any' && !(code !== null && accept.includes(code))) {
        const why = said.replace(/\s+/g, ' ') || `it ended with ${code}`;
        throw new Failure('service_failed', `\`${describeStep(step)}\` failed: ${why}.`);
      }
    } else {
      try {
        if (step.do === 'remove') await rm(step.path, { force: true });
        else {
          await mkdir(dirname(step.path), { recursive: true });
          await writeFile(step.path, step.content);
        }
      } catch (cause) {
        throw new Failure('service_failed', `Could not ${describeStep(step)}: ${(cause as Error).message}.`, {
          cause,
        });
      }
    }
  }
}
