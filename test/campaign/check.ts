// What must hold whenever a world has healed: every promise the oracle heard is kept, and nothing is left lying about.
import { createHash, verify } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { VersionList, type VersionSummary } from '../../shared/protocol.ts';
import { CHAIN_START, chainText, readReceipt } from '../../shared/receipt.ts';
import { sha256Of } from '../support/mail-file.ts';
import { pick, type Random } from './chance.ts';
import { type Promised, Violation } from './oracle.ts';
import type { World } from './world.ts';

/** What was checked before in a world and need not be read again after every fault. */
export class Checked {
  readonly versions = new Set<string>();
  readonly packs = new Set<string>();
}

/**
 * Checks a world that has settled. What was promised since the last check is read back whole, and one older version by chance;
 * with `all` everything that was ever promised. Throws a Violation.
 */
export async function check(
  world: World,
  { checked, random, all = false }: { checked: Checked; random: Random; all?: boolean },
): Promise<void> {
  const { oracle } = world;
  const listed = await versionsOf(world);
  for (const promised of oracle.receipts.values()) kept(promised, listed);
  chainHolds(world, [...listed.values()]);
  await sourcesStand(world, listed);

  const promised = [...oracle.receipts.values()];
  const fresh = promised.filter(
    (each) =>
      all || !checked.versions.has(each.version) || (oracle.destroyed.size > 0 && isNewest(world, each)),
  );
  const old = promised.filter((each) => checked.versions.has(each.version));
  for (const each of !all && old.length > 0 ? [...fresh, pick(random, old)] : fresh) {
    await restores(world, each);
    checked.versions.add(each.version);
  }
  for (const id of oracle.packs.keys()) {
    if ((!all && checked.packs.has(id)) || oracle.destroyed.has(id)) continue;
    await packIsThere(world, id);
    checked.packs.add(id);
  }
  if (fingerprints(world) > world.sources.length) {
    // What a process had no more use for goes at the latest when the next one starts.
    world.startDevice();
    await world.settle();
  }
  nothingIsLeft(world);
}

function fingerprints(world: World): number {
  return readdirSync(join(world.state, 'fingerprints')).length;
}

/** What was promised is there, before the device has said a word again. Throws a Violation. */
export async function promisesKept(world: World): Promise<void> {
  const listed = await versionsOf(world);
  for (const promised of world.oracle.receipts.values()) kept(promised, listed);
  for (const id of world.oracle.packs.keys()) await packIsThere(world, id);
}

async function get(world: World, route: string, method = 'GET'): Promise<Response> {
  const headers = { authorization: `Bearer ${world.identity.credential}` };
  return fetch(`${world.url}${route}`, { method, headers, signal: AbortSignal.timeout(60_000) });
}

async function versionsOf(world: World): Promise<Map<string, VersionSummary>> {
  const response = await get(world, '/v1/versions?partial=true&limit=10000');
  if (response.status !== 200) throw new Violation(`the versions can't be listed: ${await response.text()}`);
  const { versions } = VersionList.parse(await response.json());
  return new Map(versions.map((version) => [version.id, version]));
}

/** I1, I8: what has a receipt is there, with the same receipt. */
function kept(promised: Promised, listed: ReadonlyMap<string, VersionSummary>): void {
  const version = listed.get(promised.version);
  if (!version)
    throw new Violation(
      `receipt ${promised.sequence} was given, and its version ${promised.version} is gone`,
    );
  if (version.receipt.statement !== promised.statement)
    throw new Violation(`the receipt of version ${promised.version} is another one now`);
}

/** I13: receipts count up without a gap, each signed and each leading to the next. */
function chainHolds(world: World, versions: readonly VersionSummary[]): void {
  const { receiptKey } = world.identity;
  const signed = (statement: string, signature: string) =>
    verify(null, Buffer.from(statement), receiptKey, Buffer.from(signature, 'hex'));
  const chain = versions
    .map(({ receipt }) => ({ receipt, statement: readReceipt(receipt, signed) }))
    .sort((a, b) => a.statement.sequence - b.statement.sequence);
  let previous = CHAIN_START;
  for (const [index, { receipt, statement }] of chain.entries()) {
    if (statement.sequence !== index + 1)
      throw new Violation(`receipt ${index + 1} is missing: the next there is ${statement.sequence}`);
    if (statement.previous !== previous)
      throw new Violation(`receipt ${statement.sequence} does not follow the one before`);
    previous = createHash('sha256').update(chainText(receipt)).digest('hex');
  }
}

/** I3, I10: nobody wrote to a source, and the newest version of each is what it is now. */
async function sourcesStand(world: World, listed: ReadonlyMap<string, VersionSummary>): Promise<void> {
  const newest = new Map<string, VersionSummary>();
  for (const version of listed.values()) {
    if (version.complete && !newest.has(version.path)) newest.set(version.path, version);
  }
  for (const [path, sha256] of world.oracle.current) {
    if ((await sha256Of(path)) !== sha256) throw new Violation(`${path} was changed by somebody else`);
    if (newest.get(path)?.sha256 !== sha256)
      throw new Violation(`the newest version of ${path} is not what it is now`);
  }
}

/** I1, I9: a version comes back byte for byte, and is a state that its source had. */
async function restores(world: World, promised: Promised): Promise<void> {
  const { version, path, complete, sha256 } = promised;
  if (!complete) return;
  if (!world.oracle.wasState(path, sha256))
    throw new Violation(`version ${version} has a receipt for a state that ${path} never had`);
  const found = await contentOf(world, version);
  if (found.startsWith(NO_CONTENT) && world.oracle.destroyed.size > 0 && !isNewest(world, promised)) return;
  if (found !== sha256) throw new Violation(`version ${version} of ${path} restores as ${found}`);
}

/** What a source is now has to come back whatever was destroyed: the device still has it. */
function isNewest(world: World, { path, sequence, sha256 }: Promised): boolean {
  if (world.oracle.current.get(path) !== sha256) return false;
  return ![...world.oracle.receipts.values()].some(
    (other) => other.path === path && other.sequence > sequence,
  );
}

/** How a text begins that stands for no content. */
const NO_CONTENT = 'an answer';

/** The SHA-256 of what the server gives for a version, or what it says instead. */
export async function contentOf(world: World, version: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    const response = await get(world, `/v1/versions/${version}/content`);
    if (response.status !== 200) return `${NO_CONTENT} ${response.status}: ${await response.text()}`;
    for await (const part of response.body!) hash.update(part as Uint8Array);
  } catch (error) {
    return `${NO_CONTENT} that broke (${error})`;
  }
  return hash.digest('hex');
}

/** I2: a pack that was answered for is known, lies there, and is what its id says. */
async function packIsThere(world: World, id: string): Promise<void> {
  const response = await get(world, `/v1/packs/${id}`, 'HEAD');
  if (response.status >= 300) throw new Violation(`pack ${id} was answered for and is not known any more`);
  const hash = createHash('sha256');
  try {
    for await (const part of createReadStream(packPath(world, id))) hash.update(part as Buffer);
  } catch (error) {
    throw new Violation(`pack ${id} was answered for and can't be read: ${error}`);
  }
  const found = hash.digest('hex');
  if (found !== id) throw new Violation(`pack ${id} was answered for and has become ${found}`);
}

/** Where a pack lies on the server. */
export function packPath(world: World, id: string): string {
  return join(world.data, 'vaults', world.identity.device, 'packs', id.slice(0, 2), id);
}

/** I6: staging is empty, each source has one fingerprint, and nobody's half-written files are about. */
function nothingIsLeft(world: World): void {
  const staged = readdirSync(join(world.state, 'staging'));
  if (staged.length > 0) throw new Violation(`staging is not empty: ${staged.join(', ')}`);
  if (fingerprints(world) > world.sources.length)
    throw new Violation(`${fingerprints(world)} fingerprints for ${world.sources.length} sources`);
  const vault = join(world.data, 'vaults', world.identity.device);
  const half = readdirSync(vault, { recursive: true, withFileTypes: true }).filter(
    ({ name }) => name.endsWith('.tmp') || name.endsWith('.new'),
  );
  if (half.length > 0)
    throw new Violation(`half-written files on the server: ${half.map(({ name }) => name)}`);
}
