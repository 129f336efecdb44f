// Makes the rows of a device from its vault: packs by their indexes, versions in the order of their receipts, maps computed again.
import { fromHex, sameBytes, toHex } from '../../shared/byte-codec.ts';
import { decodeChangeList } from '../../shared/change-list.ts';
import { asFailure, Failure } from '../../shared/failure.ts';
import { CHAIN_START, chainText, type Receipt, type ReceiptStatement } from '../../shared/receipt.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { checkPack } from '../pack/check-pack.ts';
import { type ReadPack, readPackIndex } from '../pack/pack-reader.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';
import { fileCommitHash, hashFile, pagesOfFile } from '../upload/take-file.ts';
import type { Vault } from '../vault/vault.ts';
import { type NewPage, recordVersion } from '../version/accept-version.ts';
import { commitHash } from '../version/commit.ts';
import { layChanges } from '../version/lay-changes.ts';
import { assemble } from '../version/plan-version.ts';
import { checkHashesGiven, rootOfPages, touchedBlocks } from '../version/version-map.ts';
import { decodeVersion, type VersionObject } from '../version/version-object.ts';
import type { VersionReader } from '../version/version-reader.ts';
import { recountDamage } from './damage.ts';

export interface ReplayPorts {
  readonly catalogue: DeviceCatalogue;
  readonly vault: Vault;
  readonly signer: ReceiptSigner;
  readonly reader: VersionReader;
  /** Told after each version. */
  readonly progress: (done: number, total: number) => void;
}

export interface Trouble {
  /** What it is about: a pack id, or `sequence-version`. */
  readonly what: string;
  readonly message: string;
}

export interface Replayed {
  readonly versions: number;
  readonly packs: number;
  /** Packs that versions need and that are not in the vault, or not whole. */
  readonly lost: readonly string[];
  /** Versions that could not be brought back, and objects that were passed over. */
  readonly trouble: readonly Trouble[];
}

/** A version as the vault has it, with its receipt read. */
interface Candidate {
  readonly version: VersionObject;
  readonly statement: ReceiptStatement;
}

/** A pack whose index could be read. */
interface FoundPack {
  readonly stored: number;
  readonly raw: number;
}

/**
 * Brings every version of a device in that comes after the newest receipt of `catalogue`, with the packs they need; an empty
 * catalogue gets everything. Roots are computed again and compared with the receipts. Where two objects claim one place, the
 * `previous` of the receipt after them decides; to a catalogue that has receipts, only what is chained to them is added. Nothing in the vault is changed. Failures are the disk's and the database's alone:
 * what can't be brought back is named in the answer.
 */
export async function replayDevice(ports: ReplayPorts): Promise<Replayed> {
  return new Replay(ports).run();
}

class Replay {
  readonly #ports: ReplayPorts;
  readonly #found = new Map<string, FoundPack>();
  readonly #lost = new Set<string>();
  readonly #trouble: Trouble[] = [];
  #packs = 0;

  constructor(ports: ReplayPorts) {
    this.#ports = ports;
  }

  async run(): Promise<Replayed> {
    const { catalogue, vault, progress } = this.#ports;
    const last = await catalogue.versions.lastReceipt();
    const names = (await vault.versions(catalogue.device)).filter(
      ({ sequence }) => sequence > (last?.sequence ?? 0),
    );
    if (names.length === 0 && last) return this.#result(0);
    await this.#findPacks();
    const places = [...new Set(names.map(({ sequence }) => sequence))];
    let receipt: Receipt | undefined = last;
    let versions = 0;
    for (const [index, sequence] of places.entries()) {
      const chosen = await this.#choose(names, sequence, receipt);
      // What is there already is never doubted: another history that the vault has of it stays where it is.
      if (last && chosen?.statement.previous !== chainHash(receipt!)) break;
      if (chosen && (await this.#bring(chosen))) {
        versions++;
        receipt = chosen.version.receipt;
      }
      progress(index + 1, places.length);
    }
    await this.#takeUnused();
    if (this.#lost.size > 0) await recountDamage(catalogue);
    return this.#result(versions);
  }

  #result(versions: number): Replayed {
    return { versions, packs: this.#packs, lost: [...this.#lost], trouble: this.#trouble };
  }

  /** Reads the index of every file that is a pack; plain files are taken when a version names them. */
  async #findPacks(): Promise<void> {
    const { catalogue, vault } = this.#ports;
    for await (const { id, stored } of vault.packs(catalogue.device)) {
      try {
        const { index } = await readPackIndex(this.#read(id), stored);
        const end = index.count === 0 ? undefined : index.frame(index.count - 1);
        this.#found.set(id, { stored, raw: end ? end.rawOffset + end.rawLength : 0 });
      } catch (error) {
        expectDamage(error);
      }
    }
  }

  #read(id: string): ReadPack {
    const { catalogue, vault } = this.#ports;
    return (position, into) => vault.readPack(catalogue.device, id, position, into);
  }

  /** The one version of a place in the order. */
  async #choose(
    names: readonly { sequence: number; id: string }[],
    sequence: number,
    before: Receipt | undefined,
  ): Promise<Candidate | undefined> {
    const candidates = await this.#readAll(names.filter((name) => name.sequence === sequence));
    if (candidates.length < 2) return candidates[0];
    const next = await this.#readAll(
      names.filter((name) => name.sequence === sequence + 1),
      true,
    );
    const previous = new Set(next.map(({ statement }) => statement.previous));
    const expected = before ? chainHash(before) : CHAIN_START;
    const rank = ({ version, statement }: Candidate): number =>
      (previous.has(chainHash(version.receipt)) ? 2 : 0) + (statement.previous === expected ? 1 : 0);
    // Where none follows, the later one: the earlier was cut short, or its place would not have been free.
    const [best, ...others] = candidates.sort(
      (a, b) => rank(b) - rank(a) || b.statement.committedAt.localeCompare(a.statement.committedAt),
    );
    for (const { version } of others) {
      this.#trouble.push({
        what: nameOf(sequence, version.id),
        message: `It was cut short: version ${best!.version.id} has its place.`,
      });
    }
    return best;
  }

  async #readAll(names: readonly { sequence: number; id: string }[], silently = false): Promise<Candidate[]> {
    const { catalogue, vault, signer } = this.#ports;
    const { device } = catalogue;
    const candidates: Candidate[] = [];
    for (const { sequence, id } of names) {
      try {
        const bytes = await vault.readVersion(device, sequence, id);
        candidates.push(decodeVersion(bytes, { device, sequence, id }, signer));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (!silently) this.#trouble.push({ what: nameOf(sequence, id), message: error.message });
      }
    }
    return candidates;
  }

  async #bring({ version, statement }: Candidate): Promise<boolean> {
    const { catalogue } = this.#ports;
    const { id, commit, source, receipt } = version;
    try {
      const { pages, bodyHash } =
        'rawPack' in source
          ? await this.#mapOfFile(version, source.rawPack)
          : await this.#mapOfCommit(version, source.changes);
      await recordVersion(
        catalogue,
        { id, commit, bodyHash, source, pages },
        { sequence: statement.sequence, committedAt: statement.committedAt, receipt },
      );
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#trouble.push({ what: nameOf(statement.sequence, id), message: asFailure(error).message });
      return false;
    }
  }

  async #mapOfFile(
    { commit }: VersionObject,
    pack: string,
  ): Promise<{ pages: readonly NewPage[]; bodyHash: Uint8Array }> {
    const { size } = commit;
    const file = await hashFile(this.#read(pack), size);
    const row = await this.#ports.catalogue.packs.add({ id: pack, kind: 'raw', stored: size, raw: size });
    this.#packs++;
    this.#found.delete(pack);
    const pages = pagesOfFile(file, row);
    const roots = pages.map(({ root }) => root);
    if (file.sha256 !== pack) await this.#ports.catalogue.packs.lose(pack);
    if (file.sha256 !== pack || !sameBytes(rootOfPages(roots, size, sha256), fromHex(commit.root))) {
      throw new Failure('pack_damaged', `Its bytes, pack ${pack}, are damaged.`, { detail: { pack } });
    }
    return { pages, bodyHash: fileCommitHash(commit) };
  }

  async #mapOfCommit(
    { commit }: VersionObject,
    changes: string,
  ): Promise<{ pages: readonly NewPage[]; bodyHash: Uint8Array }> {
    const { catalogue, reader } = this.#ports;
    const base = commit.base === null ? undefined : await catalogue.versions.map(commit.base);
    if (commit.base !== null && !base) throw new Failure('base_unknown', 'Its base did not come back.');
    const list = decodeChangeList(Buffer.from(changes, 'base64'), sha256);
    checkHashesGiven(list.coarse, touchedBlocks(list.runs, base?.size ?? 0, commit.size));
    const rows = await this.#rowsOf(list.runs);
    const runs = list.runs.map((run) => ({ ...run, pack: String(rows.get(run.pack)!) }));
    const laid = await layChanges(reader, base, { coarse: list.coarse, runs }, commit.size);
    const { pages, root } = assemble(laid.base, laid.changed, commit.size);
    if (!sameBytes(root, fromHex(commit.root))) {
      throw new Failure('root_differs', 'Its hashes do not sum up to the root of its receipt.');
    }
    return { pages, bodyHash: commitHash({ ...commit, changes }) };
  }

  /** The rows of the packs that runs name; a pack that is not there whole gets a row that says so. */
  async #rowsOf(
    runs: readonly { pack: string; offset: number; length: number }[],
  ): Promise<Map<string, number>> {
    const { packs } = this.#ports.catalogue;
    const needed = new Map<string, number>();
    for (const { pack, offset, length } of runs) {
      needed.set(pack, Math.max(needed.get(pack) ?? 0, offset + length));
    }
    const rows = new Map<string, number>();
    for (const [id, raw] of needed) {
      const known = await packs.get(id, 'pack');
      if (known) {
        rows.set(id, known.row);
        continue;
      }
      const found = this.#found.get(id);
      const isWhole = found !== undefined && found.raw >= raw;
      rows.set(id, await packs.add({ id, kind: 'pack', ...(isWhole ? found : { stored: 0, raw }) }));
      this.#found.delete(id);
      if (isWhole) this.#packs++;
      else {
        this.#lost.add(id);
        await packs.lose(id);
      }
    }
    return rows;
  }

  /** Packs that no version names yet, such as those of a backup under way: they count when every frame of them is right. */
  async #takeUnused(): Promise<void> {
    const { packs } = this.#ports.catalogue;
    for (const [id, { stored }] of this.#found) {
      if (await packs.get(id, 'pack')) continue;
      try {
        const raw = await checkPack(this.#read(id), stored, id);
        await packs.add({ id, kind: 'pack', stored, raw });
        this.#packs++;
      } catch (error) {
        expectDamage(error);
        this.#trouble.push({ what: id, message: 'This pack is damaged; no version needs it.' });
      }
    }
  }
}

/** Lets pass only what says that stored bytes are wrong. */
function expectDamage(error: unknown): void {
  const codes = ['malformed', 'pack_damaged', 'pack_refused'];
  if (!(error instanceof Failure) || !codes.includes(error.code)) throw error;
}

function chainHash(receipt: Receipt): string {
  return toHex(sha256(Buffer.from(chainText(receipt))));
}

function nameOf(sequence: number, id: string): string {
  return `${sequence}-${id}`;
}
