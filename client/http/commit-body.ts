// The body of a commit, put together without ever lying in memory twice: of 4 GiB, all new, it has 3 MB.
import type { CommittedVersion } from '../../shared/protocol.ts';

/** Bytes turned into base64 at a time: a multiple of three, so that nothing is filled up in between. */
const PIECE = 49_152;

/** A commit as JSON: its fields, and the change list in base64 as the last of them. */
export function commitBody(fields: CommittedVersion, changes: Uint8Array): Uint8Array {
  const empty = JSON.stringify({ ...fields, changes: '' });
  // Up to where the text of `changes` begins; after it come a quote and a brace.
  const head = Buffer.from(empty.slice(0, -2));
  const body = Buffer.allocUnsafeSlow(head.length + 4 * Math.ceil(changes.length / 3) + 2);
  let at = head.copy(body);
  for (let from = 0; from < changes.length; from += PIECE) {
    const piece = changes.subarray(from, from + PIECE);
    at += body.write(
      Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('base64'),
      at,
      'latin1',
    );
  }
  body.write('"}', at, 'latin1');
  return body;
}

/** A commit that names its change list, which the server has, by its SHA-256. */
export function commitBodyOf(fields: CommittedVersion, changeList: string): Uint8Array {
  return Buffer.from(JSON.stringify({ ...fields, changeList }));
}
