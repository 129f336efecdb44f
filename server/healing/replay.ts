// Makes the rows of a device from its vault: packs by their indexes, versions in the order of their receipts, maps computed again.
import { fromHex, sameBytes, toHex } from '../../shared/byte-codec.ts';
import { decodeChangeList } from '../../shared/change-list.ts';
import { asFailure, Failure } from '../../shared/failure.ts';
import type { CommittedVersion } from '../../shared/protocol.ts';
import { CHAIN_START, chainText, type Receipt, type ReceiptStatement } from '../../shared/receipt.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import { codeOf } from '../disk-failure.ts';
import { inTurns } from '../in-turns.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';
import { fileCommitHash, hashFile, pagesOfFile } from '../upload/take-file.ts';
import type { Vault } from '../vault/vault.ts';
import { type NewPage, recordVersion } from '../version/accept-version.ts';
import { hashOfSource } from '../version/commit.ts';
import { layChanges } from '../version/lay-changes.ts';
import { assemble } from '../version/plan-version.ts';
import { checkHashesGiven, rootOfPages, touchedBlocks } from '../version/version-map.ts';
import { decodeVersion, type VersionObject } from '../version/version-object.ts';
import type { VersionReader } from '../version/version-reader.ts';
import { recountDamage } from './damage.ts';
import { FoundPacks } from './found-packs.ts';

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

/**
 * Brings every version of a device in that comes after the newest receipt of `catalogue`, with the packs they need; an empty
 * catalogue gets everything. Roots are computed again and compared with the receipts. Where two objects claim one place, the
 * `previous` of the receipt after them decides; to a catalogue that has receipts, nothing is added from a receipt on that says
 * another one came before it. A place whose object is damaged or missing is named, and what follows comes back all the same, unless it
 * is based on what was there. Nothing in the vault is changed. Failures are the disk's and the database's alone: what can't be brought
 * back is named in the answer.
 */
export async function replayDevice(ports: ReplayPorts): Promise<Replayed> {
  return new Replay(ports).run();
}

class Replay {
  readonly #ports: ReplayPorts;
  readonly #packs: FoundPacks;
  readonly #trouble: Trouble[] = [];

  constructor(ports: ReplayPorts) {
    this.#ports = ports;
    this.#packs = new FoundPacks(ports.catalogue, ports.vault);
  }

  async run(): Promise<Replayed> {
    const { catalogue, vault, progress } = this.#ports;
    const last = await catalogue.versions.lastReceipt();
    const names = (await vault.versions(catalogue.device)).filter(
      ({ sequence }) => sequence > (last?.sequence ?? 0),
    );
    if (names.length === 0 && last) return this.#result(0);
    await this.#packs.find();
    const places = [...new Set(names.map(({ sequence }) => sequence))];
    /** What the next receipt has to say comes before it; undefined after a hole. */
    let link: string | undefined = last ? chainHash(last) : CHAIN_START;
    let expected = (last?.sequence ?? 0) + 1;
    let versions = 0;
    for (const [index, sequence] of places.entries()) {
      if (sequence > expected) {
        this.#nameHole(expected, sequence - 1);
        link = undefined;
      }
      const chosen = await this.#choose(names, sequence, link);
      // What is there already is never doubted: another history that the vault has of it stays where it is.
      if (last && chosen && link !== undefined && chosen.statement.previous !== link) break;
      if (chosen && (await this.#bring(chosen))) versions++;
      // Not brought: its receipt still tells what follows it. Not readable: a hole, which says nothing against what comes after.
      // That has receipts of its own, signed for this device and this place, and roots that are computed again; only what is
      // based on the hole can't be had.
      link = chosen && chainHash(chosen.version.receipt);
      expected = sequence + 1;
      progress(index + 1, places.length);
    }
    for (const id of await this.#packs.takeUnused()) {
      this.#trouble.push({ what: id, message: 'This pack is damaged; no version needs it.' });
    }
    if (this.#packs.lost.size > 0) await recountDamage(catalogue);
    return this.#result(versions);
  }

  #result(versions: number): Replayed {
    const { count, lost } = this.#packs;
    return { versions, packs: count, lost: [...lost], trouble: this.#trouble };
  }

  /** The one version of a place in the order. */
  async #choose(
    names: readonly { sequence: number; id: string }[],
    sequence: number,
    expected: string | undefined,
  ): Promise<Candidate | undefined> {
    const candidates = await this.#readAll(names.filter((name) => name.sequence === sequence));
    if (candidates.length < 2) return candidates[0];
    const next = await this.#readAll(
      names.filter((name) => name.sequence === sequence + 1),
      true,
    );
    const previous = new Set(next.map(({ statement }) => statement.previous));
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
        if (!silently) this.#trouble.push({ what: nameOf(sequence, id), message: whyUnreadable(error) });
      }
    }
    return candidates;
  }

  #nameHole(from: number, to: number): void {
    for (let sequence = from; sequence <= to; sequence++) {
      this.#trouble.push({
        what: String(sequence),
        message: 'The vault has no version of this place: one that had a receipt is missing.',
      });
    }
  }

  async #bring({ version, statement }: Candidate): Promise<boolean> {
    const { catalogue } = this.#ports;
    const { id, commit, source, receipt } = version;
    try {
      const { pages, bodyHash } = await this.#mapOf(version);
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

  async #mapOf(version: VersionObject): Promise<{ pages: readonly NewPage[]; bodyHash: Uint8Array }> {
    const { commit, source } = version;
    if ('rawPack' in source) {
      return { pages: await this.#pagesOfFile(commit, source.rawPack), bodyHash: fileCommitHash(commit) };
    }
    if ('map' in source) {
      const { changes, plain, bodyHash } = source.map;
      const pages = await this.#pagesOf({ ...commit, base: null }, changes, plain);
      return { pages, bodyHash: fromHex(bodyHash) };
    }
    const pages = await this.#pagesOf(commit, source.changes, []);
    return { pages, bodyHash: hashOfSource(commit, source) };
  }

  async #pagesOfFile(commit: VersionObject['commit'], pack: string): Promise<readonly NewPage[]> {
    const { size } = commit;
    const file = await hashFile(this.#packs.read(pack), size);
    const row = await this.#packs.takeFile(pack, size);
    const pages = pagesOfFile(file, row);
    const roots = pages.map(({ root }) => root);
    if (file.sha256 !== pack) await this.#ports.catalogue.packs.lose(pack);
    if (file.sha256 !== pack || !sameBytes(rootOfPages(roots, size, sha256), fromHex(commit.root))) {
      throw new Failure('pack_damaged', `Its bytes, pack ${pack}, are damaged.`, { detail: { pack } });
    }
    return pages;
  }

  /** `plain`: those of the packs named that are plain files. */
  async #pagesOf(
    commit: CommittedVersion,
    changes: string,
    plain: readonly string[],
  ): Promise<readonly NewPage[]> {
    const { catalogue, reader } = this.#ports;
    const base = commit.base === null ? undefined : await catalogue.versions.map(commit.base);
    if (commit.base !== null && !base) throw new Failure('base_unknown', 'Its base did not come back.');
    const list = decodeChangeList(Buffer.from(changes, 'base64'), sha256);
    await inTurns(checkHashesGiven(list.coarse, touchedBlocks(list.runs, base?.size ?? 0, commit.size)));
    const rows = await this.#packs.rowsOf(list.runs, plain);
    const runs = list.runs.map((run) => ({ ...run, pack: String(rows.get(run.pack)!) }));
    const laid = await layChanges(reader, base, { coarse: list.coarse, runs }, commit.size);
    const { pages, root } = await inTurns(assemble(laid.base, laid.changed, commit.size));
    if (!sameBytes(root, fromHex(commit.root))) {
      throw new Failure('root_differs', 'Its hashes do not sum up to the root of its receipt.');
    }
    return pages;
  }
}

/** Lets pass only what says nothing of the object itself. */
function whyUnreadable(error: unknown): string {
  if (error instanceof Failure) return error.message;
  if (codeOf(error) === 'EIO') return 'Its object can not be read from the disk.';
  throw error;
}

function chainHash(receipt: Receipt): string {
  return toHex(sha256(Buffer.from(chainText(receipt))));
}

function nameOf(sequence: number, id: string): string {
  return `${sequence}-${id}`;
}
