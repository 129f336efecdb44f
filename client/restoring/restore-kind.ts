// Restores everything of a kind, or one version to its own place: plans, tells the plan, and carries it out unless it is a dry run.

import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, type FailureCode } from '../../shared/failure.ts';
import type { SourceKind, VersionSummary } from '../../shared/protocol.ts';
import { makeDirectory } from '../durable-file.ts';
import { patiently, patientlyOrLeft } from '../patiently.ts';
import { decodeRegFile } from '../registry/reg-file.ts';
import { isRegistryPath, type Registry } from '../registry/registry.ts';
import type { SearchedUser } from '../sources/finder.ts';
import type { ProcessList } from '../triggers/mail-programs.ts';
import { carryOut, lookAtPlace, type Restored, type Writing } from './carry-out.ts';
import { assertClosed } from './closed.ts';
import type { Here } from './place.ts';
import { keepSetsWhole, type Leftover, ofOneUser, type Placement, planRestore } from './plan.ts';
import { asUserOf, importProfiles, type ProfilePlan, planProfiles, profilesRoot } from './profiles.ts';
import { type Restore, restoreVersion } from './restore.ts';
import { carryOutSet } from './set-in-place.ts';

export interface KindRestore extends Restore {
  readonly here: Here & { readonly user: SearchedUser };
  /** Null where the machine has none. */
  readonly registry: Registry | null;
  readonly processes: ProcessList;
  /** A folder for what is replaced by this restore; it is made when it is needed. */
  readonly keepIn: string;
  /** An existing folder that only its owner can look into. */
  readonly scratch: string;
}

export interface KindOptions {
  readonly kind: SourceKind;
  readonly from: string | undefined;
  readonly into: string | null;
  readonly overwrite: boolean;
  readonly dryRun: boolean;
  /** The set of each version's path that is in one: it comes back whole or not at all. */
  readonly sets: ReadonlyMap<string, string>;
}

export interface KindResult {
  readonly restored: readonly Restored[];
  /** What was not written: left, refused, or, in a dry run, what would be written. */
  readonly left: readonly {
    readonly path: string;
    readonly to: string | null;
    readonly action: string;
    readonly note: string;
    /** Where it was refused. */
    readonly code?: FailureCode;
  }[];
  /** Files that hold what was here before. */
  readonly kept: readonly string[];
}

/** `versions`: the newest of each path. Failures: `usage`, `program_running`, `registry_failed`, those of a restore. */
export async function restoreKind(
  context: KindRestore,
  versions: readonly VersionSummary[],
  options: KindOptions,
): Promise<KindResult> {
  const { mine, nobodys } = ofOneUser(versions, { from: options.from, here: context.here });
  const isKey = ({ kind, path }: VersionSummary) => kind === 'mapi-profiles' && isRegistryPath(path);
  const keys = options.into === null ? mine.filter(isKey) : [];
  const files = mine.filter((version) => !keys.includes(version));
  const done = await restoreFiles(context, files, options);
  const profiles: KindResult[] = [];
  for (const version of keys) profiles.push(await restoreProfiles(context, version, options));
  return {
    restored: [done, ...profiles].flatMap(({ restored }) => restored),
    left: [...[done, ...profiles].flatMap(({ left }) => left), ...nobodys.map(toldNobodys)],
    kept: [done, ...profiles].flatMap(({ kept }) => kept),
  };
}

const WRITES = new Set<Placement['action']>(['write', 'replace', 'beside']);

const told = ({ version, to, action, note }: Placement): KindResult['left'][number] => ({
  path: version.path,
  to,
  action,
  note,
  ...(action === 'refused' ? { code: 'target_refused' } : {}),
});

const toldNobodys = ({ path }: VersionSummary): KindResult['left'][number] => ({
  path,
  to: null,
  action: 'left',
  note: 'it lies in the folder of no user, and so may be of any; name its path alone to restore it',
});

const toldLeftover = ({ file }: Leftover): KindResult['left'][number] => ({
  path: file,
  to: file,
  action: 'put aside',
  note: 'an older database left it, and the restored one would take it for its own',
});

async function restoreFiles(
  context: KindRestore,
  versions: readonly VersionSummary[],
  { kind, into, overwrite, dryRun, sets }: KindOptions,
): Promise<KindResult> {
  const { here, progress } = context;
  const streams = await readdir(here.path.join(here.user.local, 'Microsoft', 'Outlook', 'RoamCache')).catch(
    () => [],
  );
  const planned = await planRestore(versions, {
    here,
    into,
    overwrite,
    look: lookAtPlace,
    streams: streams.filter((name) => /^Stream_Autocomplete_\w+\.dat$/i.test(name)),
  });
  const exists = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    );
  const { plan, leftovers } = await keepSetsWhole(planned, { sets, overwrite, exists });
  if (dryRun) return { restored: [], left: [...plan.map(told), ...leftovers.map(toldLeftover)], kept: [] };
  const writing = plan.filter((one): one is Writing => WRITES.has(one.action) && one.to !== null);
  const isLive = into === null && leftovers.length > 0;
  const assertReady = async () => {
    if (isLive || writing.some(({ closed }) => closed)) await assertClosed(kind, context.processes);
  };
  // Before anything is written: half a restore is none.
  await assertReady();
  const restored: Restored[] = [];
  const kept: string[] = [];
  const add = (one: Restored) => {
    progress.say(`${one.to}: restored${one.kept === null ? '' : `; what was there is in ${one.kept}`}.`);
    restored.push(one);
  };
  const setOf = ({ version }: Writing) => sets.get(version.path);
  for (const placement of writing.filter((one) => setOf(one) === undefined)) {
    const one = await carryOut(context, placement, context.keepIn);
    add(one);
    if (one.kept !== null) kept.push(one.kept);
  }
  for (const set of new Set([...writing.map(setOf), ...leftovers.map(({ set }) => set)])) {
    if (set === undefined) continue;
    const whole = {
      members: writing.filter((one) => setOf(one) === set),
      leftovers: leftovers.filter((one) => one.set === set).map(({ file }) => file),
    };
    const placed = await carryOutSet(context, whole, { keepIn: context.keepIn, assertReady });
    for (const one of placed.restored) add(one);
    kept.push(...placed.kept);
  }
  return { restored, left: plan.filter(({ action }) => !WRITES.has(action)).map(told), kept };
}

async function restoreProfiles(
  context: KindRestore,
  version: VersionSummary,
  { kind, dryRun }: KindOptions,
): Promise<KindResult> {
  const { registry, here, scratch, keepIn, progress } = context;
  const { key } = here.user;
  if (!registry || key === null)
    throw new Failure(
      'target_refused',
      `${version.path} is a registry key, and this machine has no registry.`,
    );
  const fetched = join(scratch, `${randomUUID()}.reg`);
  let plan: ProfilePlan;
  try {
    const root = profilesRoot(version.path, key);
    await restoreVersion(context, version, { to: fetched, overwrite: false });
    plan = planProfiles(
      asUserOf(decodeRegFile(await readFile(fetched)), key),
      await registry.read(root),
      root,
    );
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'target_refused') throw error;
    const { code, message } = error;
    const note = message.replace(/\.$/, '');
    return {
      restored: [],
      left: [{ path: version.path, to: null, action: 'refused', note, code }],
      kept: [],
    };
  } finally {
    await patientlyOrLeft(() => rm(fetched, { force: true }));
  }
  const rows = plan.changes.map(({ profile, change }) => ({
    path: version.path,
    to: `${plan.root}\\${profile}`,
    action: change === 'added' ? 'write' : change === 'same' ? 'same' : 'replace',
    note: change === 'replaced' ? 'what is there is exported first' : '',
  }));
  for (const { to, action } of rows) progress.say(`${to}: ${action}`);
  if (plan.defaultProfile !== null) progress.say(`${plan.root}: its default is "${plan.defaultProfile}"`);
  if (dryRun || plan.keys.length === 0) return { restored: [], left: rows, kept: [] };
  await assertClosed(kind, context.processes);
  await makeDirectory(keepIn);
  const { kept } = await importProfiles(registry, plan, {
    keep: join(keepIn, `${randomUUID()}.reg`),
    write: (bytes) => writeSecret(join(scratch, `${randomUUID()}.reg`), bytes),
    remove: (file) => patiently(() => rm(file, { force: true })),
  });
  if (kept !== null) progress.say(`What was in ${plan.root} before is in ${kept}.`);
  const restored = rows
    .filter(({ action }) => action !== 'same')
    .map(({ to }) => ({
      path: version.path,
      to,
      version: version.id,
      bytes: version.size,
      sha256: version.sha256 ?? '',
      kept,
    }));
  return {
    restored,
    left: rows.filter(({ action }) => action === 'same'),
    kept: kept === null ? [] : [kept],
  };
}

async function writeSecret(file: string, bytes: Uint8Array): Promise<string> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
  } finally {
    await handle.close();
  }
  return file;
}

/** What a restore to the one file `to` will do. */
export function planTarget(
  { path }: Pick<VersionSummary, 'path'>,
  { to, overwrite, isThere }: { to: string; overwrite: boolean; isThere: boolean },
): KindResult['left'][number] {
  if (!isThere) return { path, to, action: 'write', note: '' };
  return overwrite
    ? { path, to, action: 'replace', note: 'what is there is not kept' }
    : { path, to, action: 'exists', note: 'say --overwrite to replace it' };
}

/** Failure `target_refused` where an OST would be put where Outlook keeps its own. */
export function assertNotInProfile(
  { kind, path }: VersionSummary,
  to: string,
  here: Pick<Here, 'path'>,
): void {
  if (kind !== 'ost') return;
  const folder = here.path.dirname(here.path.resolve(to)).toLowerCase();
  const own =
    /[\\/]microsoft[\\/]outlook$/.test(folder) || here.path.resolve(to).toLowerCase() === path.toLowerCase();
  if (own)
    throw new Failure(
      'target_refused',
      `${to} is where Outlook keeps its own OST; a restored one would be taken for it.`,
    );
}
