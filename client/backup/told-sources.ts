// Every source of this device with the word for it, as status, sources, doctor and agent tell it.
import type { Settings } from '../settings/settings.ts';
import { excluder } from '../sources/exclude.ts';
import type { Queue } from '../state/queue.ts';
import type { Source, SourceRegistry } from '../state/source-registry.ts';
import { missingNow } from './presence.ts';
import { COME_AND_GO, type Protection, protectionOf } from './protection.ts';
import { isSetPath } from './set-list.ts';

export interface ToldSource {
  readonly source: Source;
  readonly protection: Protection;
}

export interface Telling {
  readonly settings: Pick<Settings, 'exclude' | 'protectedDays' | 'goneDays'>;
  readonly machine: { readonly platform: string; readonly home: string };
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Looks at what is there now, for two seconds at most. */
export async function toldSources(
  state: { readonly sources: SourceRegistry; readonly queue: Queue },
  { settings, machine, now }: Telling,
): Promise<readonly ToldSource[]> {
  const { exclude, protectedDays, goneDays } = settings;
  const all = state.sources.all();
  const queued = new Set(state.queue.active().map((backup) => backup.source_id));
  const isExcluded = excluder(exclude, machine);
  const asked = all.filter(({ forgottenAt, path }) => forgottenAt === null && !isExcluded(path));
  const missing = await missingNow(asked.map(({ path }) => path));
  return all.map((source) => {
    const { id, path } = source;
    const facts = {
      ...source,
      queued: queued.has(id),
      there: !missing.has(path),
      excluded: isExcluded(path),
    };
    return { source, protection: protectionOf(facts, { protectedDays, goneDays, now }) };
  });
}

/**
 * Those that a person expects to be protected: not what was forgotten or left out, not what comes and goes and went, and not the list
 * of a set, which is part of the set.
 */
export function expected(told: readonly ToldSource[]): readonly ToldSource[] {
  return told.filter(({ source: { path, kind }, protection: { state } }) => {
    if (state === 'forgotten' || state === 'excluded' || isSetPath(path)) return false;
    return state !== 'gone' || !COME_AND_GO.has(kind);
  });
}

/** "3 of 4 sources are protected", and why the others are not. */
export function protectionSentence(told: readonly ToldSource[]): string {
  const counted = expected(told);
  const not = counted.filter(({ protection }) => !protection.isProtected);
  const because = not
    .slice(0, MOST_NAMED)
    .map(({ source, protection }) => `${source.path}: ${protection.why}`);
  if (not.length > MOST_NAMED) because.push(`${not.length - MOST_NAMED} more: see \`mailferry status\``);
  const head = `${counted.length - not.length} of ${counted.length} sources are protected`;
  return because.length === 0 ? head : `${head} (not: ${because.join('; ')})`;
}

/** Sources that one sentence names. */
const MOST_NAMED = 3;
