// A version that is suspect, as restore and versions tell it: with the last good one beside it, and how to get that.
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { ServerClient } from '../http/server-client.ts';

export interface SuspectVersion {
  readonly version: string;
  readonly reason: string;
  readonly lastGood: {
    readonly version: string;
    readonly takenAt: string;
    readonly receivedAt: string;
  } | null;
}

/** Null where `version` is not suspect; otherwise asks the server for the newest complete version of the path that is not. */
export async function suspicionAbout(
  server: Pick<ServerClient, 'versions'>,
  version: VersionSummary,
): Promise<SuspectVersion | null> {
  const reason = suspectReason(version.healthNotes);
  if (reason === null) return null;
  for await (const older of server.versions({ path: version.path })) {
    if (!older.complete || older.damaged !== undefined || suspectReason(older.healthNotes) !== null) continue;
    const { id, takenAt, receivedAt } = older;
    return { version: version.id, reason, lastGood: { version: id, takenAt, receivedAt } };
  }
  return { version: version.id, reason, lastGood: null };
}

/** In two sentences: that it is suspect and why, and what to do. */
export function suspectSentence(path: string, { version, reason, lastGood }: SuspectVersion): string {
  const head = `The newest version of ${printable(path)}, ${version}, is suspect: ${reason}.`;
  if (lastGood === null) return `${head} The server holds no version that is not.`;
  const { version: good, receivedAt } = lastGood;
  return `${head} The last good one is ${good} of ${receivedAt}: \`mailferry restore ${printable(path)} --version ${good} --to FILE\`.`;
}
