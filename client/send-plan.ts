// What the sender does next: which packs to send, which backups to commit, and when to look again. Pure.
import type { Backup, QueuedPack } from './queue.ts';

type PackRow = Pick<QueuedPack, 'backup_id' | 'number' | 'state' | 'next_attempt_at'>;
type BackupRow = Pick<Backup, 'id' | 'state' | 'next_attempt_at'>;

export interface SendPlan<P, B> {
  readonly send: readonly P[];
  /** Every pack is known: ready to be committed. */
  readonly commit: readonly B[];
  /** Milliseconds since 1970 at which something postponed is due; null: nothing is. */
  readonly wakeAt: number | null;
  /** Nothing is left but what is still being read. */
  readonly idle: boolean;
}

/** `waiting`: packs not known yet, in order. `busy`: keys of what is being done already. */
export function sendPlan<P extends PackRow, B extends BackupRow>(
  { waiting, active }: { waiting: readonly P[]; active: readonly B[] },
  busy: ReadonlySet<string>,
  now: number,
): SendPlan<P, B> {
  const due = (row: { next_attempt_at: number }) => row.next_attempt_at <= now;
  const unknown = new Set(waiting.map((pack) => pack.backup_id));
  const ready = active.filter(
    (backup) => (backup.state === 'uploading' || backup.state === 'committing') && !unknown.has(backup.id),
  );
  const free = [
    ...waiting.filter((pack) => !busy.has(packKey(pack))),
    ...ready.filter((backup) => !busy.has(backup.id)),
  ];
  const later = free.filter((row) => !due(row)).map((row) => row.next_attempt_at);
  return {
    send: waiting.filter((pack) => !busy.has(packKey(pack)) && due(pack)),
    commit: ready.filter((backup) => !busy.has(backup.id) && due(backup)),
    wakeAt: later.length > 0 ? Math.min(...later) : null,
    idle: busy.size === 0 && waiting.length === 0 && active.every((backup) => backup.state === 'scanning'),
  };
}

export function packKey(pack: Pick<PackRow, 'backup_id' | 'number'>): string {
  return `${pack.backup_id}/${pack.number}`;
}
