// mailferry versions: what the server holds, newest first.
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { healthWords } from '../../shared/store-header.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { everyVersion } from '../restoring/find-version.ts';
import { namesOf } from '../restoring/source-name.ts';
import { bytesText } from '../terminal.ts';
import { withServer } from '../with-server.ts';

export async function versions(context: Context, words: string[]): Promise<number> {
  const { machine, terminal, paths: state } = context;
  const [word] = words;
  return withServer(context, async (server) => {
    const here = { server, platform: machine.platform, db: state.db };
    const found =
      word === undefined
        ? await Array.fromAsync(server.versions({}))
        : await everyVersion(server, namesOf(word, here));
    const lines = found.map(describe);
    terminal.result(lines.length > 0 ? lines.join('\n') : 'The server holds no version.', {
      versions: found.map(
        ({ id, sequence, path, takenAt, receivedAt, size, sha256, snapshot, outlookRunning, ...more }) => ({
          id,
          sequence,
          path,
          takenAt,
          receivedAt,
          size,
          sha256,
          snapshot,
          ...(outlookRunning === undefined ? {} : { outlookRunning }),
          health: more.health,
          ...suspectJson(more.healthNotes),
          ...(more.damaged === undefined ? {} : { damaged: more.damaged }),
          receipt: more.receipt,
        }),
      ),
    });
    return EXIT.ok;
  });
}

/** A minute: what lies between a snapshot and its receipt where the line is up, or between two clocks that are right. */
const SAME_TIME_MS = 60_000;

function describe(version: VersionSummary): string {
  const { id, receivedAt, takenAt, size, snapshot, health, path } = version;
  const apart = Math.abs(Date.parse(takenAt) - Date.parse(receivedAt)) > SAME_TIME_MS;
  const taken = apart ? `, taken ${takenAt} by the device's clock` : '';
  const read = `${snapshot}${version.outlookRunning ? ' while Outlook ran' : ''}`;
  const words = `${read}, ${healthWords({ verdict: health })}${damageWords(version)}${suspectWords(version)}${taken}`;
  return `${id}  ${receivedAt}  ${bytesText(size).padStart(9)}  ${words}  ${printable(path)}`;
}

function suspectJson(notes: readonly string[]): { suspect?: string } {
  const suspect = suspectReason(notes);
  return suspect === null ? {} : { suspect };
}

function suspectWords({ healthNotes }: VersionSummary): string {
  const suspect = suspectReason(healthNotes);
  return suspect === null ? '' : `, suspect (${suspect})`;
}

function damageWords({ damaged }: VersionSummary): string {
  return damaged === undefined ? '' : `, damaged (${damaged} blocks lost on the server)`;
}
