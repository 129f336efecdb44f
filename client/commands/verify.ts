// mailferry verify: fetches versions back without writing them, and compares every byte with what their receipts say.

import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { asFailure, Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { readReceipt } from '../../shared/receipt.ts';
import { ROUTES } from '../../shared/routes.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { receiptVerifier } from '../healing/receipts-held.ts';
import type { ServerClient } from '../http/server-client.ts';
import type { Progress } from '../progress.ts';
import { withServer } from '../with-server.ts';

export interface VerifyOptions {
  readonly all?: boolean;
}

export async function verify(
  { machine, terminal, paths: state }: Context,
  paths: string[],
  options: VerifyOptions,
): Promise<number> {
  return withServer(state, async (server, identity) => {
    const held = await server.versions(paths[0] === undefined ? {} : { path: resolve(paths[0]) });
    const chosen = options.all ? held : newestOfEach(held);
    const failed: { path: string; version: string; code: string; message: string }[] = [];
    for (const version of chosen) {
      if (machine.surroundings.stop.aborted) return EXIT.stopped;
      try {
        const statement = readReceipt(version.receipt, receiptVerifier(identity.receiptKey));
        const sha256 = await contentDigest(server, version, terminal);
        if (sha256 !== version.sha256 || sha256 !== statement.sha256) {
          throw new Failure(
            'restore_differs',
            `Version ${version.id} of ${version.path} is not what its receipt says.`,
          );
        }
      } catch (error) {
        const failure = asFailure(error);
        failed.push({
          path: version.path,
          version: version.id,
          code: failure.code,
          message: failure.message,
        });
      }
    }
    const good = chosen.length - failed.length;
    const lines = failed.map(({ path, version, message }) =>
      printable(`damaged: ${path}, version ${version}: ${message}`),
    );
    terminal.result(
      [...lines, `verified: ${good} of ${chosen.length} versions restore byte for byte`].join('\n'),
      {
        verified: good,
        failed,
      },
    );
    return failed.length === 0 ? EXIT.ok : EXIT.failed;
  });
}

function newestOfEach(versions: readonly VersionSummary[]): VersionSummary[] {
  const newest = new Map<string, VersionSummary>();
  for (const version of versions) if (!newest.has(version.path)) newest.set(version.path, version);
  return [...newest.values()];
}

async function contentDigest(
  server: ServerClient,
  version: VersionSummary,
  progress: Progress,
): Promise<string> {
  const hash = createHash('sha256');
  const response = await server.request('GET', ROUTES.content(version.id));
  let done = 0;
  try {
    for await (const bytes of response.body) {
      hash.update(bytes as Buffer);
      done += (bytes as Buffer).length;
      progress.report({ phase: 'verify', path: version.path, done, total: version.size });
    }
  } catch (cause) {
    throw new Failure(
      'pack_damaged',
      `Version ${version.id} of ${version.path} could not be read to its end.`,
      { cause },
    );
  }
  return hash.digest('hex');
}
