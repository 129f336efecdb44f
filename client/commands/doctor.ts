// mailferry doctor: tries on this machine what a backup needs, and says in one line each what is right and what to do.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import { type ToldSource, toldSources } from '../backup/told-sources.ts';
import type { Context } from '../cli.ts';
import { encryptionFinding } from '../doctor/encryption-check.ts';
import { type Finding, findingLine } from '../doctor/finding.ts';
import { protectionFindings } from '../doctor/protection-check.ts';
import { serverFindings } from '../doctor/server-check.ts';
import { serviceFinding } from '../doctor/service-check.ts';
import { snapshotFindings } from '../doctor/snapshot-check.ts';
import { stagingFinding } from '../doctor/staging-check.ts';
import { powershellFindings, rightsFinding } from '../doctor/windows-check.ts';
import { EXIT } from '../exit-code.ts';
import { deviceWay } from '../open-way.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { withScratch } from '../scratch-folder.ts';
import { chooseService, type ServiceOptions } from '../service/choose-service.ts';
import { runProgram } from '../service/step.ts';
import { loadSettings } from '../settings/load-settings.ts';
import { resolveSettings, type Settings } from '../settings/settings.ts';
import { snapshotProviders } from '../snapshot/providers.ts';
import { SnapshotJournal } from '../snapshot/snapshot-journal.ts';
import { excluder } from '../sources/exclude.ts';
import { findHere } from '../sources/this-machine.ts';
import { openDeviceDb } from '../state/device-db.ts';
import { Queue } from '../state/queue.ts';
import { SourceRegistry } from '../state/source-registry.ts';
import { loadIdentity } from '../state/state-directory.ts';

/** Exit code 0 where nothing failed; warnings are no failures. */
export async function doctor(context: Context): Promise<number> {
  const { machine, terminal, paths } = context;
  const { powershell, now } = machine.surroundings;
  const findings: Finding[] = [];
  const settings = await settingsOf(context, findings);
  findings.push(...(await identityFindings(context, settings, now)));
  if (powershell) {
    findings.push(await rightsFinding(runProgram, machine.env.SystemRoot));
    findings.push(...(await powershellFindings(powershell)));
  }
  findings.push(...(await guarded('snapshot', () => mailFindings(context, settings))));
  const quota = settings.stagingMegabytes * 1_000_000;
  findings.push(...(await guarded('staging', async () => [await stagingFinding(paths.root, quota)])));
  findings.push(await serviceFinding(kindsOf(context), runProgram));
  terminal.result(findings.map(findingLine).join('\n'), { findings });
  return findings.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.ok;
}

/** What a check throws is a finding of its own: the doctor always ends with the whole list. */
async function guarded(check: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    const { message, hint } = asFailure(error);
    return [{ check, state: 'failed', said: message, todo: hint }];
  }
}

async function settingsOf({ machine }: Context, findings: Finding[]): Promise<Settings> {
  try {
    const { settings } = await loadSettings(machine);
    findings.push({ check: 'settings', state: 'ok', said: 'The settings are right.' });
    return settings;
  } catch (error) {
    const { message, hint } = asFailure(error);
    findings.push({ check: 'settings', state: 'failed', said: message, todo: hint });
    return resolveSettings([]).settings;
  }
}

async function identityFindings(
  context: Context,
  settings: Settings,
  now: () => number,
): Promise<readonly Finding[]> {
  return guarded('device', async () => {
    const identity = await loadIdentity(context.paths);
    const encryption = encryptionFinding(identity);
    // Nothing is sent to an address that no command would use.
    if (encryption?.state === 'failed') return [encryption];
    const way = await deviceWay(context, settings);
    return [...(encryption ? [encryption] : []), ...(await serverFindings(identity, way, now))];
  });
}

/** What is found, and a round trip of a snapshot for each volume that holds some of it. */
async function mailFindings({ machine, paths }: Context, settings: Settings): Promise<readonly Finding[]> {
  const { surroundings } = machine;
  const found = (await findHere(machine, { caches: settings.caches })).items.map(({ path }) => path);
  return withScratch(async (scratch) => {
    // With a state of its own the journal is the agent's: should this be cut, its next start removes what is left.
    const enrolled = existsSync(paths.db);
    if (enrolled) await mkdir(paths.root, { recursive: true });
    const db = openDeviceDb(enrolled ? paths.db : join(scratch, 'doctor.db'));
    try {
      const told = await toldSources(
        { sources: new SourceRegistry(db), queue: new Queue(db) },
        { settings, machine, now: surroundings.now() },
      );
      const isExcluded = excluder(settings.exclude, machine);
      const isTaken = ({ protection: { state } }: ToldSource) =>
        !['forgotten', 'excluded', 'gone'].includes(state);
      const known = told.filter(isTaken).map(({ source }) => source.path);
      const files = [...new Set([...settings.paths, ...found, ...known])].filter(
        (path) => !isRegistryPath(path) && !isExcluded(path) && existsSync(path),
      );
      const count: Finding =
        files.length > 0
          ? { check: 'mail', state: 'ok', said: `${files.length} files of mail programs were found here.` }
          : {
              check: 'mail',
              state: 'warning',
              said: 'No mail was found on this machine.',
              todo: 'Name what to protect: `mailferry backup PATH`, or the setting `paths`.',
            };
      const snapshots = await snapshotFindings({
        providers: await snapshotProviders(surroundings, scratch),
        surroundings: { journal: new SnapshotJournal(db), now: surroundings.now },
        sources: files,
        scratch: enrolled ? paths.root : scratch,
        choice: settings.snapshot,
      });
      return [count, ...protectionFindings(told), ...snapshots];
    } finally {
      db.close();
    }
  });
}

/** Every kind of service that this system may have. */
function kindsOf({ machine }: Context) {
  const asked: ServiceOptions[] =
    machine.platform === 'win32' ? [{ as: 'service' }, { as: 'task' }] : [{}, { user: true }];
  if (machine.platform !== 'win32' && machine.platform !== 'linux') return [];
  return asked.map((options) => chooseService(machine, options));
}
