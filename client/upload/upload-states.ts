// The life of one pack's upload as a table of states and events: complete by type, without a clock, kept in the database.

/*
 *            created            acknowledged
 *   staged ----------> sending --------------> known
 *     ^                  | gone                  | missing
 *     `------------------'<----------------------'
 *
 * staged   sealed on this disk; the server has given no URL for it yet
 * sending  the URL is kept here: whatever happens, it goes on at the offset that the server states
 * known    checked, durable and published on the server
 * lost     the file in staging is damaged or gone and the server does not hold the pack: the source must be read again
 */
export type UploadState = 'staged' | 'sending' | 'known' | 'lost';

export type UploadEvent =
  /** The server gave a URL. */
  | 'created'
  /** The last byte was answered for, or a question for the pack was answered with yes. */
  | 'acknowledged'
  /** The URL is answered with 404 or 410, and the pack is not known: only then does it start over. */
  | 'gone'
  /** The server says at a commit that it does not know the pack. */
  | 'missing'
  /** The file in staging is not what was sealed. */
  | 'damaged';

export const UPLOAD_STATES: readonly UploadState[] = ['staged', 'sending', 'known', 'lost'];
export const UPLOAD_EVENTS: readonly UploadEvent[] = [
  'created',
  'acknowledged',
  'gone',
  'missing',
  'damaged',
];

/** null: the event can't happen in this state, and meeting it is a mistake of the program. */
export const UPLOAD_TABLE: Readonly<Record<UploadState, Readonly<Record<UploadEvent, UploadState | null>>>> =
  {
    staged: { created: 'sending', acknowledged: 'known', gone: 'staged', missing: 'staged', damaged: 'lost' },
    sending: {
      created: 'sending',
      acknowledged: 'known',
      gone: 'staged',
      missing: 'staged',
      damaged: 'lost',
    },
    known: { created: null, acknowledged: 'known', gone: null, missing: 'staged', damaged: null },
    lost: { created: null, acknowledged: null, gone: null, missing: 'lost', damaged: 'lost' },
  };

/** The state after `event`; a RangeError where the table has none. */
export function nextUploadState(state: UploadState, event: UploadEvent): UploadState {
  const next = UPLOAD_TABLE[state][event];
  if (!next) throw new RangeError(`an upload that is ${state} can't meet ${event}`);
  return next;
}
