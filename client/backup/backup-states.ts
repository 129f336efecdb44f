// The life of one backup as a table of states and events: complete by type, without a clock, kept in the database.

/*
 *               sealed                  packs-known               receipt
 *   scanning ----------> uploading ----------------> committing ----------> receipted
 *      |  \-- cut-short -->  ^ (as a checkpoint)          |
 *      |                     `- packs-missing, cut-short -'
 *      `-- nothing-sealed, lost ----> abandoned <-- refused, pack-lost, superseded
 *
 * scanning    the source is read from a snapshot; packs are sealed and sent meanwhile
 * uploading   everything is in staging; packs are on their way
 * committing  the server knows every pack; it is asked for the receipt
 * receipted   the receipt is kept, the fingerprint promoted, staging free. The end.
 * abandoned   nothing of it is kept; the next run starts from the base again. The end.
 */
export type BackupState = 'scanning' | 'uploading' | 'committing' | 'receipted' | 'abandoned';

export type BackupEvent =
  /** The source was read to its end. */
  | 'sealed'
  /**
   * Reading ended early (process died, staging full, snapshot lost), or a pack in staging was damaged: a checkpoint of what there
   * is before that place.
   */
  | 'cut-short'
  /** Reading ended early and no pack was sealed. */
  | 'nothing-sealed'
  /** The source changed under a live read, or can't be read: nothing of it can be trusted. */
  | 'lost'
  /** The server holds every pack, checked and durable. */
  | 'packs-known'
  /** The server does not know some packs after all. */
  | 'packs-missing'
  /** A pack in staging is damaged and nothing before it makes a checkpoint. */
  | 'pack-lost'
  /** Nothing of it was sent, and a newer state of the source is queued: it gives way. */
  | 'superseded'
  /** The server will not take this version: its base is gone, or hashes differ. */
  | 'refused'
  /** A valid receipt is kept. */
  | 'receipt';

export const BACKUP_STATES: readonly BackupState[] = [
  'scanning',
  'uploading',
  'committing',
  'receipted',
  'abandoned',
];
export const BACKUP_EVENTS: readonly BackupEvent[] = [
  'sealed',
  'cut-short',
  'nothing-sealed',
  'lost',
  'packs-known',
  'packs-missing',
  'pack-lost',
  'superseded',
  'refused',
  'receipt',
];

/** null: the event can't happen in this state, and meeting it is a mistake of the program. */
type Row = Readonly<Record<BackupEvent, BackupState | null>>;

const IMPOSSIBLE: Row = {
  sealed: null,
  'cut-short': null,
  'nothing-sealed': null,
  lost: null,
  'packs-known': null,
  'packs-missing': null,
  'pack-lost': null,
  superseded: null,
  refused: null,
  receipt: null,
};

export const BACKUP_TABLE: Readonly<Record<BackupState, Row>> = {
  scanning: {
    ...IMPOSSIBLE,
    sealed: 'uploading',
    'cut-short': 'uploading',
    'nothing-sealed': 'abandoned',
    lost: 'abandoned',
    'pack-lost': 'abandoned',
  },
  uploading: {
    ...IMPOSSIBLE,
    'cut-short': 'uploading',
    'packs-known': 'committing',
    'pack-lost': 'abandoned',
    superseded: 'abandoned',
  },
  committing: {
    ...IMPOSSIBLE,
    'packs-missing': 'uploading',
    // A pack that was missing again and is found damaged in staging meanwhile.
    'cut-short': 'uploading',
    'pack-lost': 'abandoned',
    refused: 'abandoned',
    receipt: 'receipted',
  },
  receipted: IMPOSSIBLE,
  abandoned: IMPOSSIBLE,
};

/** The state after `event`; a RangeError where the table has none. */
export function nextBackupState(state: BackupState, event: BackupEvent): BackupState {
  const next = BACKUP_TABLE[state][event];
  if (!next) throw new RangeError(`a backup that is ${state} can't meet ${event}`);
  return next;
}
