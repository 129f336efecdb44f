// The mark of a suspect version: a note among its health notes, which every server and device since 0.1 keeps and hands on.

const MARK = 'Suspect: ';

/** The note that marks a version; `reason` as a clause without a full stop. */
export function suspectNote(reason: string): string {
  return `${MARK}${reason}.`.slice(0, MOST_NOTE);
}

/** Most characters of a health note in a commit. */
const MOST_NOTE = 500;

/** Why a version is suspect, as a clause; null: it is not. */
export function suspectReason(notes: readonly string[]): string | null {
  const note = notes.find((each) => each.startsWith(MARK));
  return note === undefined ? null : note.slice(MARK.length).replace(/\.$/, '');
}
