// Whether the sources of this device are protected, as the doctor tells it.
import { expected, protectionSentence, type ToldSource } from '../backup/told-sources.ts';
import type { Finding } from './finding.ts';

/** States that say that all is as it should be, or will be by itself. */
const WAITS: ReadonlySet<string> = new Set(['new', 'queued', 'gone']);

/** Nothing where there is no source. Failed where one is not protected and waiting does not help; pure. */
export function protectionFindings(told: readonly ToldSource[]): readonly Finding[] {
  const counted = expected(told);
  if (counted.length === 0) return [];
  const check = 'protection';
  const said = `${protectionSentence(told)}.`;
  const not = counted.filter(({ protection }) => !protection.isProtected);
  if (not.length === 0) return [{ check, state: 'ok', said }];
  if (not.every(({ protection: { state } }) => WAITS.has(state))) {
    const gone = not.some(({ protection }) => protection.state === 'gone');
    const todo = gone
      ? 'What is gone for good is no source any more after `mailferry forget PATH`; its versions stay.'
      : 'Run `mailferry backup --wait`, or leave the agent running.';
    return [{ check, state: 'warning', said, todo }];
  }
  const todo = 'See `mailferry status` for what to do about each.';
  return [{ check, state: 'failed', said, todo }];
}
