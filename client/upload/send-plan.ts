// What the sender does next: which packs to send, which backups to cut or commit, and when to look again. Pure.
import { FAILURES, isFailureCode } from '../../shared/failure.ts';
import type { Backup, QueuedPack } from '../state/queue-rows.ts';

type PackRow = Pick<QueuedPack, 'backup_id' | 'number' | 'id' | 'state' | 'next_attempt_at' | 'failure'>;
type BackupRow = Pick<Backup, 'id' | 'source_id' | 'state' | 'next_attempt_at' | 'failure'>;

export interface SendPlan<P, B> {
  readonly send: readonly P[];
  /** A pack of it is lost: what lies before it becomes a checkpoint. */
  readonly cut: readonly B[];
  /** Every pack is known: ready to be committed. */
  readonly commit: readonly B[];
  /** Milliseconds since 1970 at which something postponed is due; null: nothing is. */
  readonly wakeAt: number | null;
  /** Nothing is left but what is still being read, and what only a person can mend. */
  readonly idle: boolean;
}

/**
 * Longest wait there is, in milliseconds: what a server may ask for at most. A row that waits longer was postponed by a clock that has
 * been set back since, and is due.
 */
export const LONGEST_WAIT_MS = 3_600_000;

/** Whether trying again helps only after a person did something; it is tried all the same, at long intervals. */
export function needsPerson({ failure }: { failure: string | null }): boolean {
  return isFailureCode(failure) && FAILURES[failure].retry === 'never';
}

/**
 * `waiting`: packs not known yet, lost ones too, in order. `active`: backups, oldest first: versions of one source are committed in
 * that order. `busy`: keys of what is being done already.
 */
export function sendPlan<P extends PackRow, B extends BackupRow>(
  { waiting, active }: { waiting: readonly P[]; active: readonly B[] },
  busy: ReadonlySet<string>,
  now: number,
): SendPlan<P, B> {
  const due = ({ next_attempt_at: at }: { next_attempt_at: number }) =>
    at <= now || at > now + LONGEST_WAIT_MS;
  const unknown = new Set(waiting.map((pack) => pack.backup_id));
  const losing = new Set(waiting.filter(({ state }) => state === 'lost').map((pack) => pack.backup_id));
  const read = active.filter(({ state }) => state !== 'scanning');
  const cut = read.filter(({ id }) => losing.has(id) && !busy.has(id));
  const first = new Map(read.toReversed().map((backup) => [backup.source_id, backup.id]));
  const ready = read.filter(({ id, source_id }) => !unknown.has(id) && first.get(source_id) === id);
  const packs = onceEach(waiting.filter((pack) => !losing.has(pack.backup_id))).filter(
    (pack) => !busy.has(packKey(pack)),
  );
  const free = [...packs, ...ready.filter((backup) => !busy.has(backup.id))];
  const later = free.filter((row) => !due(row)).map((row) => row.next_attempt_at);
  const stops = (row: PackRow | BackupRow) => !due(row) && needsPerson(row);
  const stopped = new Set(waiting.filter(stops).map(({ id }) => id));
  const stuck = new Set([...waiting.filter(({ id }) => stopped.has(id)), ...read.filter(stops)].map(idOf));
  const left = read.filter(({ id, source_id }) => !stuck.has(id) && !stuck.has(first.get(source_id)!));
  return {
    send: packs.filter(due),
    cut,
    commit: ready.filter((backup) => !busy.has(backup.id) && due(backup)),
    wakeAt: later.length > 0 ? Math.min(...later) : null,
    idle:
      busy.size === 0 &&
      cut.length === 0 &&
      packs.every((pack) => stuck.has(pack.backup_id)) &&
      left.length === 0,
  };
}

/** One row for each pack: two backups over the same base hold the same one, and it is sent once for both (queue.ts). */
function onceEach<P extends Pick<PackRow, 'id'>>(packs: readonly P[]): P[] {
  const seen = new Set<string>();
  return packs.filter(({ id }) => !seen.has(id) && seen.add(id));
}

function idOf(row: PackRow | BackupRow): string {
  return 'backup_id' in row ? row.backup_id : row.id;
}

export function packKey(pack: Pick<PackRow, 'backup_id' | 'number'>): string {
  return `${pack.backup_id}/${pack.number}`;
}
