// Whether a source is protected, and if not, why: the one decision that status, sources, doctor and agent tell. Pure.
import type { SourceKind } from '../../shared/protocol.ts';
import type { Source } from '../state/source-registry.ts';
import { isTaken } from '../state/source-registry.ts';

const DAY_MS = 86_400_000;

/** Kinds of which it is no failure that one is gone: a signature was deleted, a message moved, a profile removed. */
export const COME_AND_GO: ReadonlySet<SourceKind> = new Set([
  'nk2',
  'outlook-settings',
  'mapi-profiles',
  'mail-client',
]);

/** The facts of a source that decide it. */
export type ProtectionFacts = Pick<
  Source,
  | 'lastReceiptAt'
  | 'checkedAt'
  | 'mark'
  | 'lastFailure'
  | 'goneSince'
  | 'goneTold'
  | 'forgottenAt'
  | 'suspect'
> & {
  /** A state of it is on its way. */
  readonly queued: boolean;
  /** False: it was looked for just now and is not there. */
  readonly there: boolean;
  /** The setting `exclude` leaves it out. */
  readonly excluded: boolean;
};

export interface Limits {
  /** The setting `protectedDays`. */
  readonly protectedDays: number;
  /** The setting `goneDays`. */
  readonly goneDays: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Protection {
  /** One word: backed-up, queued, new, stale, gone, forgotten, excluded, suspect, or the code of its failure. */
  readonly state: string;
  /** Whether the server vouches for its newest known state, by a receipt or a check that is not older than the limit. */
  readonly isProtected: boolean;
  /** Why it is not protected, without a full stop; null where it is. */
  readonly why: string | null;
}

/** The word for a source. What never had a receipt, is gone, fails, or was not looked at for too long is never called protected. */
export function protectionOf(facts: ProtectionFacts, limits: Limits): Protection {
  const { protectedDays, now } = limits;
  const not = (state: string, why: string): Protection => ({ state, isProtected: false, why });
  const { forgottenAt, goneSince, lastFailure, suspect, queued } = facts;
  if (forgottenAt !== null) return not('forgotten', `forgotten ${dayOf(forgottenAt)}`);
  if (facts.excluded) return not('excluded', 'left out by the setting exclude');
  if (goneSince !== null || !facts.there) {
    const recent = lastFailure?.code === 'source_missing' && goneStep(facts, limits) === 'missing';
    const since = goneSince === null ? '' : `, first missed ${dayOf(goneSince)}`;
    return not(recent ? 'source_missing' : 'gone', `gone${since}`);
  }
  if (lastFailure !== null) return not(lastFailure.code, sentenceEnd(lastFailure.message));
  if (suspect !== null) return not('suspect', suspect);
  if (!isTaken(facts)) return not(queued ? 'queued' : 'new', 'no receipt yet');
  const age = now - vouchedAt(facts);
  const state = queued ? 'queued' : 'stale';
  // By a clock that is a day wrong nothing can be said of how old a receipt is.
  if (age < -DAY_MS) return not(state, 'its last receipt is of a time to come by the clock of this machine');
  if (age > protectedDays * DAY_MS) return not(state, lastTime(facts, now));
  return { state: queued ? 'queued' : 'backed-up', isProtected: true, why: null };
}

/** When the server last vouched for the state that the source was known to be in. NaN never: it is taken. */
function vouchedAt({ lastReceiptAt, checkedAt }: Pick<Source, 'lastReceiptAt' | 'checkedAt'>): number {
  const times = [lastReceiptAt, checkedAt].filter((time) => time !== null).map((time) => Date.parse(time));
  return times.length === 0 ? 0 : Math.max(...times);
}

function lastTime({ lastReceiptAt }: Pick<Source, 'lastReceiptAt'>, now: number): string {
  if (lastReceiptAt === null) return 'not looked at since its receipt was learnt from the server';
  return `last receipt ${Math.floor((now - Date.parse(lastReceiptAt)) / DAY_MS)} days ago`;
}

const dayOf = (instant: string) => instant.slice(0, 10);
const sentenceEnd = (message: string) => message.replace(/\.$/, '');

/**
 * What it comes to that a source is not there. missing: it may come back, and every run tells it. gone-now: it was not there for
 * `goneDays`, which is told once more. gone: that was told; it is only listed. `goneSince` and `now` as in Source and Limits.
 */
export function goneStep(
  { goneSince, goneTold }: Pick<Source, 'goneSince' | 'goneTold'>,
  { goneDays, now }: Pick<Limits, 'goneDays' | 'now'>,
): 'missing' | 'gone-now' | 'gone' {
  if (goneSince === null || now - Date.parse(goneSince) < goneDays * DAY_MS) return 'missing';
  return goneTold ? 'gone' : 'gone-now';
}
