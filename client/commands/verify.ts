// mailferry verify: fetches versions back without writing them, and compares every byte with what their receipts say.

import { createHash } from 'node:crypto';
import { asFailure, Failure, type FailureCode } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { readReceipt } from '../../shared/receipt.ts';
import type { Context } from '../cli.ts';
import { EXIT, exitCode } from '../exit-code.ts';
import { receiptVerifier } from '../healing/receipts-held.ts';
import type { VersionsAsked } from '../http/server-client.ts';
import { type Fetching, fetchContent } from '../restoring/fetch-content.ts';
import { findVersion } from '../restoring/find-version.ts';
import { type NamesHere, namesOf } from '../restoring/source-name.ts';
import type { Terminal } from '../terminal.ts';
import { withServer } from '../with-server.ts';

export interface VerifyOptions {
  readonly all?: boolean;
}

/** Attempts without a byte before the line is given up: with their waits some half a minute. */
const PATIENCE = 4;

/** What means that a version is damaged; every other failure says nothing about it. */
const DAMAGE: ReadonlySet<FailureCode> = new Set(['restore_differs', 'pack_damaged', 'receipt_invalid']);

/** What fails for every version alike: the server could not be asked, or did not want to be. */
const UNANSWERED: ReadonlySet<FailureCode> = new Set([
  'unreachable',
  'tls_untrusted',
  'tls_failed',
  'stalled',
  'busy',
  'too_many',
  'unauthorized',
]);

interface Failed {
  readonly path: string;
  readonly version: string;
  readonly code: FailureCode;
  readonly message: string;
}

export async function verify(
  context: Context,
  words: string[],
  { all = false }: VerifyOptions,
): Promise<number> {
  const { machine, terminal, paths: state } = context;
  const { stop, chance } = machine.surroundings;
  return withServer(context, async (server, identity) => {
    const context = { server, progress: terminal, stop, chance };
    const here = { server, platform: machine.platform, db: state.db };
    const failed: Failed[] = [];
    let good = 0;
    try {
      for await (const version of chosen(words[0], all, here)) {
        try {
          const statement = readReceipt(version.receipt, receiptVerifier(identity.receiptKey));
          const sha256 = await contentDigest(context, version);
          if (sha256 !== version.sha256 || sha256 !== statement.sha256) {
            throw new Failure(
              'restore_differs',
              `Version ${version.id} of ${version.path} is not what its receipt says.`,
            );
          }
          good++;
        } catch (error) {
          if (stop.aborted) return EXIT.stopped;
          const { code, message } = asFailure(error);
          failed.push({ path: version.path, version: version.id, code, message });
          if (UNANSWERED.has(code)) break;
        }
        if (stop.aborted) return EXIT.stopped;
      }
    } catch (error) {
      if (stop.aborted) return EXIT.stopped;
      if (good + failed.length === 0) throw error;
      // The rest of a long list did not come: what was found before it counts all the same.
      return report(terminal, { verified: good, failed, cutOff: asFailure(error) });
    }
    return report(terminal, { verified: good, failed, cutOff: null });
  });
}

interface Outcome {
  readonly verified: number;
  readonly failed: readonly Failed[];
  /** Why the list of versions did not come to its end. */
  readonly cutOff: Failure | null;
}

/** Tells what was verified, what is damaged, and what was not looked at; the exit code. */
function report(terminal: Terminal, { verified, failed, cutOff }: Outcome): number {
  const lines = failed.map(({ path, version, code, message }) =>
    printable(`${DAMAGE.has(code) ? 'damaged' : 'not verified'}: ${path}, version ${version}: ${message}`),
  );
  if (cutOff) lines.push(printable(cutOff.message));
  const count = `verified: ${verified} of ${verified + failed.length} versions restore byte for byte`;
  const isWhole = cutOff === null && !failed.some(({ code }) => UNANSWERED.has(code));
  lines.push(isWhole ? count : `${count}; the others were not looked at`);
  const error = cutOff ? { error: { code: cutOff.code, message: cutOff.message } } : {};
  terminal.result(lines.join('\n'), { verified, failed, ...error });
  // What is lost weighs more than what could not be looked at.
  const worst = failed.find(({ code }) => DAMAGE.has(code)) ?? cutOff ?? failed.at(-1);
  return worst ? exitCode(worst.code) : EXIT.ok;
}

/** The newest version of each source, or every one; of `word` alone where it is given. Failure `not_found` where there is none. */
async function* chosen(
  word: string | undefined,
  all: boolean,
  here: NamesHere,
): AsyncGenerator<VersionSummary> {
  if (word !== undefined && !all) {
    yield await findVersion(here.server, namesOf(word, here), {});
    return;
  }
  const newest: VersionsAsked = all ? {} : { newest: 'each' };
  let [what, found] = ['this device', false];
  const queries = word === undefined ? [[newest]] : queriesOf(namesOf(word, here));
  for await (const same of queries) {
    for (const query of same) {
      what = query.path ?? what;
      for await (const version of here.server.versions(query)) {
        found = true;
        yield version;
      }
    }
    if (found) return;
  }
  throw new Failure('not_found', `The server holds no version of ${what}.`);
}

async function* queriesOf(names: AsyncIterable<readonly string[]>): AsyncGenerator<VersionsAsked[]> {
  for await (const same of names) yield same.map((path) => ({ path }));
}

async function contentDigest(context: Fetching, version: VersionSummary): Promise<string> {
  const hash = createHash('sha256');
  await fetchContent(context, version, {
    phase: 'verify',
    from: 0,
    patience: PATIENCE,
    take: async (bytes) => void hash.update(bytes),
  });
  return hash.digest('hex');
}
