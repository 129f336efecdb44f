// mailferry verify: fetches versions back without writing them, and compares every byte with what their receipts say.

import { asFailure, Failure, type FailureCode } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { receiptOf } from '../../shared/receipt.ts';
import type { Context } from '../cli.ts';
import { EXIT, exitCode } from '../exit-code.ts';
import { receiptVerifier } from '../healing/receipts-held.ts';
import type { VersionsAsked } from '../http/server-client.ts';
import { ContentSum, type Sums } from '../restoring/content-sum.ts';
import { type Fetching, fetchContent } from '../restoring/fetch-content.ts';
import { findVersion } from '../restoring/find-version.ts';
import { statedSentence } from '../restoring/restore.ts';
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
  'proxy_failed',
  'stalled',
  'answer_refused',
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

/** A version whose bytes are what the server proved, and whose device stated another SHA-256 of the whole. */
interface Misstated {
  readonly path: string;
  readonly version: string;
  readonly sha256: string;
  readonly statedSha256: string;
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
    const misstated: Misstated[] = [];
    let good = 0;
    try {
      for await (const version of chosen(words[0], all, here)) {
        try {
          const statement = receiptOf(version, identity.device, receiptVerifier(identity.receiptKey));
          const { root, sha256 } = await contentSums(context, version);
          if (root !== statement.root) {
            throw new Failure(
              'restore_differs',
              `Version ${version.id} of ${version.path} is not what its receipt says.`,
            );
          }
          good++;
          if (sha256 !== statement.sha256)
            misstated.push({
              path: version.path,
              version: version.id,
              sha256,
              statedSha256: statement.sha256,
            });
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
      return report(terminal, { verified: good, failed, misstated, cutOff: asFailure(error) });
    }
    return report(terminal, { verified: good, failed, misstated, cutOff: null });
  });
}

interface Outcome {
  readonly verified: number;
  readonly failed: readonly Failed[];
  readonly misstated: readonly Misstated[];
  /** Why the list of versions did not come to its end. */
  readonly cutOff: Failure | null;
}

/** Tells what was verified, what is damaged, and what was not looked at; the exit code. */
function report(terminal: Terminal, { verified, failed, misstated, cutOff }: Outcome): number {
  const lines = failed.map(({ path, version, code, message }) =>
    printable(`${DAMAGE.has(code) ? 'damaged' : 'not verified'}: ${path}, version ${version}: ${message}`),
  );
  for (const { path, statedSha256 } of misstated) lines.push(printable(statedSentence(path, statedSha256)));
  if (cutOff) lines.push(printable(cutOff.message));
  const count = `verified: ${verified} of ${verified + failed.length} versions restore byte for byte`;
  const isWhole = cutOff === null && !failed.some(({ code }) => UNANSWERED.has(code));
  lines.push(isWhole ? count : `${count}; the others were not looked at`);
  const error = cutOff ? { error: { code: cutOff.code, message: cutOff.message } } : {};
  terminal.result(lines.join('\n'), {
    verified,
    failed,
    ...(misstated.length === 0 ? {} : { misstated }),
    ...error,
  });
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

async function contentSums(context: Fetching, version: VersionSummary): Promise<Sums> {
  const sum = new ContentSum();
  await fetchContent(context, version, {
    phase: 'verify',
    from: 0,
    patience: PATIENCE,
    take: async (bytes) => sum.update(bytes),
  });
  return sum.finish();
}
