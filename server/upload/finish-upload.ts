// What happens when the last byte of an upload is there: check, publish, record. Repeatable after any crash.
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure, type FailureCode } from '../../shared/failure.ts';
import { MAX_PACK_RAW } from '../../shared/pack.ts';
import type { UploadRow } from '../catalogue/upload-rows.ts';
import { codeOf } from '../disk-failure.ts';
import type { FairTurns } from '../fair-turns.ts';
import { uploadGone } from '../http/problem.ts';
import { checkPack } from '../pack/check-pack.ts';
import { type CheckStagedPack, readFully } from '../pack/check-staged-pack.ts';
import type { CheckedPacks } from '../pack/checked-packs.ts';
import type { ReadPack } from '../pack/pack-reader.ts';
import { startSha256 } from '../sha256.ts';
import type { Turns } from '../turns.ts';
import { type AcceptPorts, acceptVersion } from '../version/accept-version.ts';
import type { ChangeLists } from './change-lists.ts';
import { hashFile, uuidOf, versionOfFile } from './take-file.ts';
import { planUpload, type UploadPlan } from './upload-plan.ts';

export interface FinishPorts extends AcceptPorts {
  /** Where the device's uploads lie. */
  readonly staging: string;
  readonly lists: ChangeLists;
  readonly checkStaged: CheckStagedPack;
  /**
   * Turns shared by all devices: packs are checked one after another, so that memory does not follow their number, and no device waits
   * for all that another has sent. Weights are bytes: stored ones before a check, unfolded ones after it.
   */
  readonly checks: FairTurns;
  /** Told of every pack that was checked and published. */
  readonly checked: CheckedPacks;
  /** Told, in a turn of the device, that a pack is there again that was lost. */
  readonly cameBack: (pack: string) => Promise<void>;
  /** The device's turns: one version at a time. */
  readonly turns: Turns;
}

/** Failures after which an upload can become nothing any more. */
const ENDS_UPLOAD: ReadonlySet<string> = new Set<FailureCode>([
  'pack_refused',
  'change_list_refused',
  'upload_gone',
]);

/** Finishes the uploads of one device; whoever asks for the same upload meanwhile waits for the same end. */
export class UploadFinisher {
  readonly #ports: FinishPorts;
  readonly #running = new Map<string, Promise<void>>();

  constructor(ports: FinishPorts) {
    this.#ports = ports;
  }

  /**
   * Publishes a complete upload. On return it is durable and finished. Idempotent. A Failure `pack_refused` or `change_list_refused`
   * where it is not what it claims to be: its file and row are gone then. Any other failure leaves it as it was, to be finished later.
   */
  finish(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running) return running;
    const finishing = this.#finish(id).finally(() => this.#running.delete(id));
    this.#running.set(id, finishing);
    return finishing;
  }

  async #finish(id: string): Promise<void> {
    const { catalogue, turns } = this.#ports;
    const row = await catalogue.uploads.get(id);
    if (!row) throw uploadGone();
    if (row.finished) return;
    const plan = planUpload(row.metadata, row.length, Number.POSITIVE_INFINITY);
    try {
      if (plan.kind === 'pack') await this.#finishPack(row, plan.pack);
      else if (plan.kind === 'change-list') await this.#finishList(row, plan.list);
      else await turns.take(catalogue.device, () => this.#finishFile(row, plan));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!ENDS_UPLOAD.has(error.code)) throw error;
      await rm(join(this.#ports.staging, id), { force: true });
      await catalogue.uploads.remove(id);
      throw error;
    }
  }

  async #finishPack({ id, length }: UploadRow, pack: string): Promise<void> {
    const { catalogue, vault, checks, checked, turns, cameBack } = this.#ports;
    // The next is checked while the disk takes this one.
    const raw = await checks.take(catalogue.device, length, async (cost) => {
      // What is refused may have unfolded to anything before it was.
      let unfolded = MAX_PACK_RAW;
      try {
        unfolded = await this.#checkedRaw(id, length, pack);
        return unfolded;
      } finally {
        cost(unfolded);
      }
    });
    const wasLost = (await catalogue.packs.get(pack, 'pack'))?.lost === 1;
    await vault.publish(catalogue.device, id, pack);
    await catalogue.transaction(async (rows) => {
      await rows.packs.add({ id: pack, kind: 'pack', stored: length, raw });
      await rows.uploads.finish(id);
    });
    checked.add(catalogue.device, pack);
    if (wasLost) await turns.take(catalogue.device, () => cameBack(pack));
  }

  /** Its bytes are compared with its id; what they say is read by the commit that names it. */
  async #finishList({ id, length }: UploadRow, list: string): Promise<void> {
    const { catalogue, lists, staging, checks } = this.#ports;
    const path = join(staging, id);
    const size = await sizeIfThere(path);
    // Where it is not there, a crash came after the move and before the row.
    if (size === undefined && !(await lists.isPublished(list))) throw uploadGone();
    if (size !== undefined) {
      const digest = await checks.take(catalogue.device, length, () => digestOf(path));
      if (size !== length || digest !== list)
        throw new Failure('change_list_refused', 'The bytes of the change list do not match its id.');
    }
    await lists.publish(id, { id: list, bytes: length });
  }

  /** Checks the staged file, or the published pack where a crash came after the move. */
  async #checkedRaw(id: string, length: number, pack: string): Promise<number> {
    const { catalogue, staging, vault, checkStaged } = this.#ports;
    const path = join(staging, id);
    const size = await sizeIfThere(path);
    if (size === length) return checkStaged({ path, stored: length, id: pack });
    if (size !== undefined) {
      throw new Failure('pack_refused', 'The upload has another length than was stated.');
    }
    if (!(await vault.hasPack(catalogue.device, pack))) throw uploadGone();
    return checkPack(
      (position, into) => vault.readPack(catalogue.device, pack, position, into),
      length,
      pack,
    );
  }

  async #finishFile(row: UploadRow, plan: Extract<UploadPlan, { kind: 'file' }>): Promise<void> {
    const { catalogue, vault, now } = this.#ports;
    const { id, length } = row;
    // Its version was accepted, and brought in by the start after a crash.
    if (await catalogue.versions.map(uuidOf(id))) return catalogue.uploads.finish(id);
    const file = await this.#withBytes(id, length, row.pack, (read) => hashFile(read, length));
    const pack = file.sha256;
    // Noted before the file moves: after a crash in between, this is how its bytes are found again.
    await catalogue.uploads.notePack(id, pack);
    await vault.publish(catalogue.device, id, pack);
    const wasLost = (await catalogue.packs.get(pack, 'raw'))?.lost === 1;
    const packRow = await catalogue.packs.add({ id: pack, kind: 'raw', stored: length, raw: length });
    const takenAt = new Date(now()).toISOString();
    await acceptVersion(this.#ports, versionOfFile(id, plan, file, packRow, takenAt));
    if (wasLost || (await catalogue.versions.anyDamaged())) await this.#ports.cameBack(pack);
  }

  /** Lends what reads an upload's bytes: its staged file, or the published pack where a crash came after the move. */
  async #withBytes<Result>(
    id: string,
    length: number,
    pack: string | null,
    use: (read: ReadPack) => Promise<Result>,
  ): Promise<Result> {
    const { catalogue, staging, vault } = this.#ports;
    const path = join(staging, id);
    const staged = await openIfThere(path);
    if (!staged) {
      const isPublished = pack !== null && (await vault.hasPack(catalogue.device, pack));
      if (!isPublished) throw uploadGone();
      return use((position, into) => vault.readPack(catalogue.device, pack, position, into));
    }
    try {
      if ((await staged.stat()).size !== length) {
        throw new Failure('pack_refused', 'The upload has another length than was stated.');
      }
      return await use(readFully(staged));
    } finally {
      await staged.close();
    }
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = startSha256();
  for await (const part of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(part as Buffer);
  return toHex(hash.digest());
}
