// The packs that a vault is found to have, and the rows they get while versions that name them are brought back.
import { Failure } from '../../shared/failure.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { PackKind } from '../catalogue/schema.ts';
import { checkPack } from '../pack/check-pack.ts';
import { type ReadPack, readPackIndex } from '../pack/pack-reader.ts';
import type { Vault } from '../vault/vault.ts';
import { isWhole } from './damage.ts';

/** A run of raw bytes in a pack. */
interface PackRun {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

/** The packs of one device. */
export class FoundPacks {
  readonly #catalogue: DeviceCatalogue;
  readonly #vault: Vault;
  /** Bytes of every file. */
  readonly #stored = new Map<string, number>();
  /** Raw bytes of those whose index could be read. */
  readonly #raw = new Map<string, number>();
  readonly #lost = new Set<string>();
  #count = 0;

  constructor(catalogue: DeviceCatalogue, vault: Vault) {
    this.#catalogue = catalogue;
    this.#vault = vault;
  }

  /** How many got a row, whole. */
  get count(): number {
    return this.#count;
  }

  /** Those that are needed and not there, or not whole. */
  get lost(): ReadonlySet<string> {
    return this.#lost;
  }

  /** Reads the index of every file that is a pack; plain files are taken when a version names them. Called once, first. */
  async find(): Promise<void> {
    for await (const { id, stored } of this.#vault.packs(this.#catalogue.device)) {
      this.#stored.set(id, stored);
      try {
        const { index } = await readPackIndex(this.read(id), stored);
        const end = index.count === 0 ? undefined : index.frame(index.count - 1);
        this.#raw.set(id, end ? end.rawOffset + end.rawLength : 0);
      } catch (error) {
        expectDamage(error);
      }
    }
  }

  read(id: string): ReadPack {
    return (position, into) => this.#vault.readPack(this.#catalogue.device, id, position, into);
  }

  /** The row of a plain file of `size` bytes that a version is all of. */
  async takeFile(id: string, size: number): Promise<number> {
    const row = await this.#catalogue.packs.add({ id, kind: 'raw', stored: size, raw: size });
    this.#count++;
    this.#raw.delete(id);
    return row;
  }

  /** The rows of the packs that runs name, of which `plain` are plain files; a pack that is not there whole gets a row that says so. */
  async rowsOf(runs: readonly PackRun[], plain: readonly string[]): Promise<Map<string, number>> {
    const needed = new Map<string, number>();
    for (const { pack, offset, length } of runs) {
      needed.set(pack, Math.max(needed.get(pack) ?? 0, offset + length));
    }
    const rows = new Map<string, number>();
    for (const [id, raw] of needed)
      rows.set(id, await this.#rowOf(id, plain.includes(id) ? 'raw' : 'pack', raw));
    return rows;
  }

  /** The row of a pack of which the first `needed` raw bytes are named. */
  async #rowOf(id: string, kind: PackKind, needed: number): Promise<number> {
    const { packs } = this.#catalogue;
    const known = await packs.get(id, kind);
    if (known) return known.row;
    const stored = this.#stored.get(id) ?? 0;
    const raw = kind === 'raw' ? await this.#plainBytes(id, stored) : this.#raw.get(id);
    this.#raw.delete(id);
    if (raw !== undefined && raw >= needed) {
      this.#count++;
      return packs.add({ id, kind, stored, raw });
    }
    this.#lost.add(id);
    const row = await packs.add({ id, kind, stored: 0, raw: needed });
    await packs.lose(id);
    return row;
  }

  /** The bytes of a plain file, where they are what its id says: it has no index that could tell. */
  async #plainBytes(id: string, stored: number): Promise<number | undefined> {
    const file = { row: 0, id, kind: 'raw' as const, stored, raw: stored, lost: 0 as const };
    return (await isWhole(this.#vault, this.#catalogue.device, file)) ? stored : undefined;
  }

  /**
   * Takes packs that no version names yet, such as those of a backup under way: they count when every frame of them is right. The ids
   * of those that are damaged.
   */
  async takeUnused(): Promise<string[]> {
    const { packs } = this.#catalogue;
    const damaged: string[] = [];
    for (const id of this.#raw.keys()) {
      if (await packs.get(id, 'pack')) continue;
      const stored = this.#stored.get(id)!;
      try {
        const raw = await checkPack(this.read(id), stored, id);
        await packs.add({ id, kind: 'pack', stored, raw });
        this.#count++;
      } catch (error) {
        expectDamage(error);
        damaged.push(id);
      }
    }
    return damaged;
  }
}

/** Lets pass only what says that stored bytes are wrong. */
function expectDamage(error: unknown): void {
  const codes = ['malformed', 'pack_damaged', 'pack_refused'];
  if (!(error instanceof Failure) || !codes.includes(error.code)) throw error;
}
