// mailferry restore: a version back into a file, or everything of a kind back to where it belongs on this machine.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path, { join, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { printable } from '../../shared/printable.ts';
import { SourceKind, type VersionSummary } from '../../shared/protocol.ts';
import { SetList } from '../backup/set-list.ts';
import type { Context, Machine } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { findVersion } from '../restoring/find-version.ts';
import { BESIDE_DATABASE } from '../restoring/plan.ts';
import { type Restore, restoreVersion } from '../restoring/restore.ts';
import { assertNotInProfile, type KindResult, planTarget, restoreKind } from '../restoring/restore-kind.ts';
import { resolveSets } from '../restoring/sets.ts';
import { namesOf } from '../restoring/source-name.ts';
import { suspectSentence, suspicionAbout } from '../restoring/suspect-version.ts';
import { withScratch } from '../scratch-folder.ts';
import { userHere } from '../sources/this-machine.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { isTaken, SourceRegistry } from '../state/source-registry.ts';
import { bytesText } from '../terminal.ts';
import { processList } from '../triggers/process-list.ts';
import { withServer } from '../with-server.ts';

export interface RestoreOptions {
  readonly version?: string;
  readonly at?: string;
  readonly to?: string;
  readonly overwrite?: boolean;
  readonly kind?: string;
  readonly from?: string;
  readonly dryRun?: boolean;
  /** False: owner and permissions are those of a new file. */
  readonly owner?: boolean;
}

export async function restore(context: Context, words: string[], options: RestoreOptions): Promise<number> {
  const { machine, terminal, paths: state } = context;
  if (options.version !== undefined && options.at !== undefined)
    throw new Failure('usage', 'Say either --version or --at.');
  const at = options.at === undefined ? undefined : Date.parse(options.at);
  if (Number.isNaN(at)) throw new Failure('usage', `${options.at} is no time (ISO 8601).`);
  const [word] = words;
  if ((word === undefined) === (options.kind === undefined))
    throw new Failure('usage', 'Say what to restore: either a path, or --kind.');
  const { surroundings } = machine;
  return withServer(context, async (server, identity) => {
    const restoring = {
      server,
      identity,
      progress: terminal,
      stop: surroundings.stop,
      chance: surroundings.chance,
      rights: options.owner ?? true,
    };
    if (word === undefined) {
      const kind = kindOf(options);
      const newest: VersionSummary[] = [];
      const until = at === undefined ? undefined : new Date(at).toISOString();
      // Outlook's nicknames of 2003 and 2007 are of its settings.
      for (const each of kind === 'outlook-settings' ? ([kind, 'nk2'] as const) : [kind]) {
        const query = { kind: each, newest: 'each', at: until } as const;
        for await (const version of server.versions(query)) newest.push(version);
      }
      const { versions, sets, broken } = await resolveSets(newest, at, {
        versionsOf: (path, before) =>
          server.versions({ path, at: before === undefined ? undefined : new Date(before).toISOString() }),
        read: (list) => readList(restoring, list),
      });
      for (const set of broken)
        terminal.say(`${set}: no state of it is whole on the server, so nothing of it is restored.`);
      if (versions.length === 0)
        throw new Failure('not_found', `The server holds nothing of the kind ${kind}.`);
      if (at === undefined)
        for (const version of versions) {
          const suspect = await suspicionAbout(server, version);
          if (suspect !== null) terminal.say(suspectSentence(version.path, suspect));
        }
      return toPlaces(context, restoring, versions, { ...options, kind, sets, own: takenHere(state.db) });
    }
    const names = namesOf(word, { server, platform: machine.platform, db: state.db });
    const version = await findVersion(server, names, { id: options.version, at });
    const named = version.path;
    // Who names a version or a time knows which state it is; the newest is what was asked for, and may be what nobody wants.
    const isPlain = options.version === undefined && at === undefined;
    const suspect = isPlain ? await suspicionAbout(server, version) : null;
    if (suspect !== null) terminal.say(suspectSentence(named, suspect));
    if (options.to === undefined) {
      const own = new Set([named]);
      // A database alone is a set of one: the log of an older one is in its way too.
      const sets = new Map(version.kind === 'mail-client' ? [[named, named]] : []);
      return toPlaces(context, restoring, [version], { ...options, kind: version.kind, sets, own });
    }
    assertNotInProfile(version, options.to, { path });
    assertNoLog(version, resolve(options.to));
    const { to, overwrite = false } = options;
    if (options.dryRun) {
      const left = [planTarget(version, { to: resolve(to), overwrite, isThere: existsSync(to) })];
      const result = { restored: [], left, kept: [] };
      terminal.result(textOf(result, options), { ...result, dryRun: true });
      return EXIT.ok;
    }
    const { bytes, sha256, statedSha256 } = await restoreVersion(restoring, version, { to, overwrite });
    const stated = statedSha256 === null ? {} : { statedSha256 };
    terminal.result(
      `${resolve(to)}: ${bytesText(bytes)} of version ${version.id}, verified\n  sha256 ${sha256}`,
      {
        path: resolve(to),
        version: version.id,
        bytes,
        sha256,
        ...stated,
        ...(suspect === null ? {} : { suspect }),
      },
    );
    return EXIT.ok;
  });
}

/** Failure `target_exists` where a program would take what lies beside `to` for the newest changes of the database restored to it. */
function assertNoLog({ kind }: VersionSummary, to: string): void {
  const log = BESIDE_DATABASE.map((suffix) => to + suffix).find(existsSync);
  if (kind !== 'mail-client' || log === undefined) return;
  throw new Failure('target_exists', `${log} is there, and would be taken for the restored file's.`);
}

function kindOf(options: RestoreOptions): SourceKind {
  if (options.version !== undefined)
    throw new Failure('usage', '--version goes with a path, not with --kind.');
  const kind = SourceKind.safeParse(options.kind);
  if (kind.success) return kind.data;
  throw new Failure('usage', `${options.kind} is no kind; there are: ${SourceKind.options.join(', ')}.`);
}

async function readList(restoring: Restore, version: VersionSummary): Promise<SetList> {
  return withScratch(async (scratch) => {
    const to = join(scratch, 'list.json');
    await restoreVersion(restoring, version, { to, overwrite: false });
    return SetList.parse(JSON.parse(await readFile(to, 'utf8')));
  });
}

/** The paths that this device has taken. None where its database is lost: a restore is for such days too. */
function takenHere(dbPath: string): ReadonlySet<string> {
  if (!existsSync(dbPath)) return new Set();
  try {
    const db = openDeviceDb(dbPath, { readonly: true });
    try {
      const taken = new SourceRegistry(db).all().filter(isTaken);
      return new Set(taken.map((source) => source.path));
    } finally {
      db.close();
    }
  } catch {
    return new Set();
  }
}

/** Each version to where it belongs here, or all below --to. */
async function toPlaces(
  { machine, terminal, paths: state }: Context,
  restoring: Restore,
  versions: Parameters<typeof restoreKind>[1],
  options: RestoreOptions & {
    kind: SourceKind;
    sets: ReadonlyMap<string, string>;
    own: ReadonlySet<string>;
  },
): Promise<number> {
  return withScratch(async (scratch) => {
    const into = options.to === undefined ? null : resolve(options.to);
    const { registry, user, signatures } = await userHere(machine, { scratch, toOwnPlaces: into === null });
    const result = await restoreKind(
      {
        ...restoring,
        here: { path, user, signatures, isOwn: (path) => options.own.has(path) },
        registry,
        processes: processList(machine.platform, machine.env),
        keepIn: join(state.root, 'replaced', stampOf(machine)),
        scratch,
      },
      versions,
      {
        kind: options.kind,
        sets: options.sets,
        from: options.from,
        into,
        overwrite: options.overwrite ?? false,
        dryRun: options.dryRun ?? false,
      },
    );
    terminal.result(textOf(result, options), { ...result, dryRun: options.dryRun ?? false });
    const refused = result.left.some(({ action }) => action === 'refused' || action === 'exists');
    if (!refused || options.dryRun) return EXIT.ok;
    return result.restored.length > 0 ? EXIT.partial : EXIT.failed;
  });
}

const stampOf = ({ now }: Pick<Machine, 'now'>) => new Date(now()).toISOString().replaceAll(':', '-');

function textOf({ restored, left, kept }: KindResult, { dryRun }: RestoreOptions): string {
  const lines = restored.map(({ to, bytes }) => `restored  ${printable(to)} (${bytesText(bytes)}, verified)`);
  for (const { path, to, action, note } of left) {
    const word = dryRun ? `would ${action}` : action;
    lines.push(`${word.padEnd(9)} ${printable(to ?? path)}${note === '' ? '' : ` (${printable(note)})`}`);
  }
  for (const file of kept) lines.push(`kept      ${printable(file)}`);
  if (dryRun) lines.push('This was a dry run: nothing was written.');
  return lines.join('\n');
}
