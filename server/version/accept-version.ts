// The last step of every version: place in the chain, receipt, version object on disk, and then, in one transaction, the rows.
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import type { CommittedVersion, VersionSummary } from '../../shared/protocol.ts';
import { CHAIN_START, chainText, type Receipt } from '../../shared/receipt.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { ReceiptSigner } from '../receipt-key.ts';
import { sha256 } from '../sha256.ts';
import type { Vault } from '../vault/vault.ts';
import { encodePage, encodePageList, type PageEntry } from './page-codec.ts';
import type { MapPage } from './version-map.ts';
import { encodeVersion, type VersionSource } from './version-object.ts';

/** A page of the new version: one of the base's, or one that is stored with it. */
export type NewPage = PageEntry | { readonly root: Uint8Array; readonly page: MapPage };

export interface CheckedVersion {
  readonly id: string;
  readonly commit: CommittedVersion;
  /** SHA-256 of the commit as it came. */
  readonly bodyHash: Uint8Array;
  /** What the version object keeps besides the commit, so that the map can be made again from it. */
  readonly source: VersionSource;
  readonly pages: readonly NewPage[];
  /** Rows of the packs that were lost already when the version was checked; its pages stand on none of them. */
  readonly lostBefore?: ReadonlySet<number>;
  /** The upload that became this version; it is finished together with it. */
  readonly upload?: string;
}

export interface AcceptPorts {
  readonly catalogue: DeviceCatalogue;
  readonly vault: Vault;
  readonly signer: ReceiptSigner;
  now(): number;
}

/**
 * Makes a checked version durable and returns its summary with the receipt. One at a time for a device: the caller sees
 * to that. A crash before the end leaves at most a version object without a row; the same commit replaces it, and where
 * another takes its sequence, the `previous` of the receipt after it tells which of the two counts. A Failure `packs_lost` where a pack
 * that it may stand on was lost since it was checked, by another process too: it has to be checked again.
 */
export async function acceptVersion(ports: AcceptPorts, version: CheckedVersion): Promise<VersionSummary> {
  const { catalogue, vault, signer } = ports;
  const { commit, id } = version;
  await assertNoneLost(catalogue, version);
  const last = await catalogue.versions.lastReceipt();
  const sequence = (last?.sequence ?? 0) + 1;
  const committedAt = new Date(ports.now()).toISOString();
  const receipt = signer.sign({
    format: 'mailferry-receipt-1',
    device: catalogue.device,
    sequence,
    version: id,
    complete: commit.complete,
    path: commit.path,
    size: commit.size,
    sha256: commit.sha256 ?? '',
    root: commit.root,
    committedAt,
    previous: last ? toHex(sha256(Buffer.from(chainText(last)))) : CHAIN_START,
  });
  const object = encodeVersion({ id, commit, source: version.source, receipt });
  await vault.putVersion(catalogue.device, sequence, id, object);
  await recordVersion(catalogue, version, { sequence, committedAt, receipt }, true);
  return summaryOf(version, { sequence, receivedAt: committedAt, receipt });
}

/** The rows of a version that has its receipt, all or none of them. `isChecked`: not where one of its packs was lost meanwhile. */
export async function recordVersion(
  catalogue: DeviceCatalogue,
  version: CheckedVersion,
  { sequence, committedAt, receipt }: { sequence: number; committedAt: string; receipt: Receipt },
  isChecked = false,
): Promise<void> {
  const { commit, id } = version;
  await catalogue.transaction(async (rows) => {
    await rows.versions.add(
      {
        id,
        sequence,
        path: commit.path,
        kind: commit.kind,
        base: commit.base,
        size: commit.size,
        mtime: commit.mtime,
        taken_at: commit.takenAt,
        received_at: committedAt,
        sha256: commit.sha256,
        root: commit.root,
        complete: commit.complete ? 1 : 0,
        snapshot: commit.snapshot,
        outlook_running: commit.outlookRunning === undefined ? null : Number(commit.outlookRunning),
        rights: commit.rights === undefined ? null : JSON.stringify(commit.rights),
        health: commit.health,
        health_notes: JSON.stringify(commit.healthNotes),
        body_hash: version.bodyHash,
        pages: await storePages(rows, version.pages, commit.size),
      },
      receipt,
    );
    // After a write, by which the transaction has its turn: no other process loses a pack until it has ended.
    if (isChecked) await assertNoneLost(rows, version);
    if (version.upload !== undefined) await rows.uploads.finish(version.upload);
  });
}

async function assertNoneLost(
  { packs }: DeviceCatalogue,
  { pages, lostBefore }: Pick<CheckedVersion, 'pages' | 'lostBefore'>,
): Promise<void> {
  const lost = (await packs.lost()).map(({ row }) => row);
  if (lost.length === 0) return;
  const names = new Set(lost.map(String));
  const isInNew = pages.some(
    (page) => 'page' in page && page.page.extents.some(({ pack }) => names.has(pack)),
  );
  // Which packs the pages of the base stand on was looked at when it was checked.
  const isInBase = lostBefore !== undefined && lost.some((row) => !lostBefore.has(row));
  if (isInNew || isInBase)
    throw new Failure('packs_lost', 'A pack was lost while the version was checked; it is checked again.');
}

async function storePages(
  rows: DeviceCatalogue,
  pages: readonly NewPage[],
  size: number,
): Promise<Uint8Array> {
  let row = await rows.pages.add(encoded(pages));
  const entries = pages.map((page) => ('page' in page ? { row: row++, root: page.root } : page));
  return encodePageList(size, entries, sha256);
}

/** The new pages as they are stored, each made when it is asked for: all at once would double what a commit holds. */
function* encoded(pages: readonly NewPage[]): Generator<Uint8Array> {
  for (const page of pages) if ('page' in page) yield encodePage(page.page, sha256);
}

function summaryOf(
  { id, commit }: CheckedVersion,
  { sequence, receivedAt, receipt }: { sequence: number; receivedAt: string; receipt: Receipt },
): VersionSummary {
  const { path, kind, size, mtime, takenAt, root, complete, snapshot, health, healthNotes } = commit;
  return {
    id,
    sequence,
    path,
    kind,
    size,
    mtime,
    takenAt,
    receivedAt,
    sha256: commit.sha256,
    root,
    complete,
    snapshot,
    ...(commit.outlookRunning === undefined ? {} : { outlookRunning: commit.outlookRunning }),
    ...(commit.rights === undefined ? {} : { rights: commit.rights }),
    health,
    healthNotes,
    receipt,
  };
}
