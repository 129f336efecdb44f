// mailferry versions: what the server holds, newest first.
import { resolve } from 'node:path';
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { healthWords } from '../../shared/store-header.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { bytesText } from '../terminal.ts';
import { withServer } from '../with-server.ts';

export async function versions({ terminal, paths: state }: Context, paths: string[]): Promise<number> {
  return withServer(state, async (server) => {
    const found = await server.versions(paths[0] === undefined ? {} : { path: resolve(paths[0]) });
    const lines = found.map(
      (version) =>
        `${version.id}  ${version.takenAt}  ${bytesText(version.size).padStart(9)}  ` +
        `${version.snapshot}${version.outlookRunning ? ' while Outlook ran' : ''}, ${healthWords({ verdict: version.health })}${damageWords(version)}  ${printable(version.path)}`,
    );
    terminal.result(lines.length > 0 ? lines.join('\n') : 'The server holds no version.', {
      versions: found.map(
        ({ id, path, takenAt, size, sha256, snapshot, outlookRunning, health, damaged, receipt }) => ({
          id,
          path,
          takenAt,
          size,
          sha256,
          snapshot,
          ...(outlookRunning === undefined ? {} : { outlookRunning }),
          health,
          ...(damaged === undefined ? {} : { damaged }),
          receipt,
        }),
      ),
    });
    return EXIT.ok;
  });
}

function damageWords({ damaged }: VersionSummary): string {
  return damaged === undefined ? '' : `, damaged (${damaged} blocks lost on the server)`;
}
