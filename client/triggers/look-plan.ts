// When the agent looks at its sources: decided from what happened and the time, both handed in.

/** What can make a look worth while. */
export type Reason =
  | 'start'
  | 'schedule'
  | 'mail-program-started'
  | 'mail-program-ended'
  | 'logon'
  | 'unlock'
  | 'resume'
  | 'network-up'
  /** Something left the queue for which newer states waited. */
  | 'queue'
  | 'asked';

/** What happened since the last look, and when that was. Times in milliseconds since 1970. */
export interface LookState {
  /** When the last look ended; null before the first. */
  readonly lastLookAt: number | null;
  /** When each reason first came up. */
  readonly pending: ReadonlyMap<Reason, number>;
}

export interface LookSettings {
  /** Between two looks where nothing happens: ms. */
  readonly everyMs: number;
  /** Least time between two looks, whatever happens: ms. Only a person who asks, and the rest of what was begun, do not wait for it. */
  readonly minimumMs: number;
}

export type LookPlan =
  | { readonly look: 'now'; readonly reasons: readonly Reason[] }
  | { readonly look: 'later'; readonly at: number };

/**
 * How long a look waits after its reason, in ms: a program that ended may still be writing, a machine that woke has no network
 * for some seconds, and one that somebody logs on to has better things to do. Chosen, not measured.
 */
const SETTLE_MS: Readonly<Record<Reason, number>> = {
  start: 0,
  schedule: 0,
  'mail-program-started': 0,
  'mail-program-ended': 5_000,
  logon: 30_000,
  unlock: 5_000,
  resume: 10_000,
  'network-up': 5_000,
  queue: 1_000,
  asked: 0,
};

export const NEVER_LOOKED: LookState = { lastLookAt: null, pending: new Map() };

/** The state after `reason` came up. The first time counts: what goes on happening does not put the look off. */
export function happened(state: LookState, reason: Reason, now: number): LookState {
  if (state.pending.has(reason)) return state;
  return { ...state, pending: new Map(state.pending).set(reason, now) };
}

/**
 * The state after a look: what came up before it began is dealt with, what came up meanwhile is not. What seems to have come up after
 * now is of before a clock was set back, and dealt with.
 */
export function looked(state: LookState, { began, ended }: { began: number; ended: number }): LookState {
  return {
    lastLookAt: ended,
    pending: new Map([...state.pending].filter(([, at]) => at > began && at <= ended)),
  };
}

/** Whether to look now, or when at the latest to ask again. A clock that was set back makes a look due: looking is cheap. */
export function planLook(state: LookState, settings: LookSettings, now: number): LookPlan {
  const { lastLookAt, pending } = state;
  if (lastLookAt === null) return { look: 'now', reasons: ['start', ...pending.keys()] };
  if (lastLookAt > now) return { look: 'now', reasons: ['schedule', ...pending.keys()] };
  let at = lastLookAt + Math.max(settings.everyMs, settings.minimumMs);
  if (now >= at) return { look: 'now', reasons: ['schedule', ...pending.keys()] };
  for (const [reason, since] of pending) {
    const settled = Math.min(since, now) + SETTLE_MS[reason];
    at = Math.min(
      at,
      reason === 'asked' || reason === 'queue' ? settled : Math.max(settled, lastLookAt + settings.minimumMs),
    );
  }
  return now >= at ? { look: 'now', reasons: [...pending.keys()] } : { look: 'later', at };
}
