// Which shadow copy is ours, where we asked for one and then died, or were cut off, before we were told its id. Pure.
import type { Shadow } from './answer.ts';
import { CREATE_DEADLINE_MS } from './create-plan.ts';

/** Windows may end what we no longer wait for; and its own clock and ours are read apart. */
const SLACK_MS = 60_000;
/** Shadow copies made in this time after the try that the journal tells of began may be ours. */
export const WINDOW_MS = CREATE_DEADLINE_MS + SLACK_MS;

export type Ours =
  | { readonly verdict: 'one'; readonly id: string }
  /** `settled`: so much time has passed that none will come. */
  | { readonly verdict: 'none'; readonly settled: boolean }
  | { readonly verdict: 'several'; readonly ids: readonly string[] };

/**
 * Win32_ShadowCopy takes no name of ours. So one is ours that is of our kind, of the volume we asked for, made in the time of the one
 * try that was never answered (`at`: when that began, ms since 1970), not known as another's of our journal, and the only one of all
 * that. Two of them: none is touched.
 *
 * Our kind is the context ClientAccessible: client-accessible and without writers (Microsoft, "_VSS_SNAPSHOT_CONTEXT"). System
 * Restore's are of ClientAccessibleWriters, which differs in the writers alone; both are persistent and not released by themselves, so
 * these attributes tell nothing. What was there before the try is older than it, so it needs no list of its own. Of our kind too are
 * Previous Versions of a server and those of other backup programs: one of these could be taken for ours only if it came to be in the
 * very try that was cut off, and ours did not.
 */
export function whichIsOurs(
  shadows: readonly Shadow[],
  asked: { readonly volume: string; readonly at: number; readonly others: ReadonlySet<string> },
  now: number,
): Ours {
  const candidates = shadows.filter((shadow) => {
    const made = Date.parse(shadow.installed);
    return (
      shadow.clientAccessible &&
      shadow.noWriters &&
      shadow.volume.toLowerCase() === asked.volume.toLowerCase() &&
      made >= asked.at &&
      made <= asked.at + WINDOW_MS &&
      !asked.others.has(shadow.id.toLowerCase())
    );
  });
  const [first, ...rest] = candidates;
  if (!first) return { verdict: 'none', settled: now > asked.at + WINDOW_MS };
  if (rest.length === 0) return { verdict: 'one', id: first.id };
  return { verdict: 'several', ids: candidates.map(({ id }) => id) };
}
