// The receipts this device holds: each new one must lead on from them, and those it missed are fetched.
import { verify } from 'node:crypto';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import type { Device } from '../device.ts';
import { sha256 } from '../fingerprint/block-hashes.ts';
import { fitsChain } from './receipt-chain.ts';

/** Receipts fetched at most: as many versions as two weeks of one each five minutes. */
const MOST_MISSED = 4_096;

/** Whether a receipt is signed by the server that this device was enrolled with. */
export function receiptVerifier(receiptKey: string): (statement: string, signature: string) => boolean {
  return (statement, signature) =>
    verify(null, Buffer.from(statement), receiptKey, Buffer.from(signature, 'hex'));
}

/** A Failure `receipt_invalid` where a receipt contradicts one that is held: then the server is not what it was. */
export function assertFitsChain(
  { queue }: Pick<Device, 'queue'>,
  receipt: Receipt,
  statement: ReceiptStatement,
): void {
  const held = { at: (sequence: number) => queue.receipt(sequence) };
  if (fitsChain(receipt, statement, held, (text) => toHex(sha256(Buffer.from(text))))) return;
  throw new Failure(
    'receipt_invalid',
    'The server has forgotten receipts that it gave: it was restored from an old copy.',
    { detail: { forgotten: true } },
  );
}

/**
 * Fetches the receipts between the newest one held and `statement`, checks and keeps them: this device was restored from an old
 * copy, or its database was lost. Failures are the server's, and `receipt_invalid` where they do not lead on from those held.
 */
export async function fillReceiptGap(
  device: Device,
  statement: ReceiptStatement,
  signal: AbortSignal,
): Promise<void> {
  const { queue, server, identity, progress } = device;
  if (statement.sequence === 1 || queue.receipt(statement.sequence - 1)) return;
  const newest = await server.versions({ partial: true, limit: MOST_MISSED }, { signal });
  let fetched = 0;
  for (const { receipt } of newest) {
    const each = readReceipt(receipt, receiptVerifier(identity.receiptKey));
    if (each.device !== identity.device || each.sequence >= statement.sequence) continue;
    assertFitsChain(device, receipt, each);
    if (queue.receipt(each.sequence)) break;
    queue.keepReceipt(receipt, each);
    fetched++;
  }
  if (fetched > 0)
    progress.say(
      `${fetched} receipts that this device did not know were fetched: its state was lost, or restored from an old copy.`,
    );
}

/**
 * Compares the newest receipts that are held with those that the server has now, and sets those aside that it has forgotten: what they
 * stood for is sent again, and it is told. One whose signature was damaged here is mended by the server's. How many there were. Failures are the server's, and `receipt_invalid` where a signature is
 * not that of the server this device knows.
 */
export async function setForgottenAside(device: Device, signal: AbortSignal): Promise<number> {
  const { queue, sources, server, identity, progress } = device;
  const given = new Map<number, Receipt>();
  // A receipt that comes while the server is asked is in no list, and forgotten by nobody.
  const last = queue.lastReceipt();
  for (const { receipt } of await server.versions({ partial: true, limit: MOST_MISSED }, { signal }))
    given.set(readReceipt(receipt, receiptVerifier(identity.receiptKey)).sequence, receipt);
  const mended = mendSignatures(device, given);
  const oldest = Math.min(...given.keys(), last + 1);
  let first = last + 1;
  for (; first > oldest || (first > 1 && given.size === 0); first--) {
    const held = queue.receipt(first - 1);
    const theirs = given.get(first - 1);
    if (held && theirs && held.statement === theirs.statement) break;
  }
  if (first > last) return mended;
  // Both or nothing: with the receipts gone and the bases kept, nobody would ask again.
  const forgotten = queue.atomically(() => {
    const aside = queue.setReceiptsAside(first);
    if (aside > 0) for (const { id } of sources.all()) sources.forgetBase(id);
    return aside;
  });
  if (forgotten === 0) return mended;
  progress.say(
    `The server has forgotten ${forgotten} receipts that it gave: it was restored from an old copy. What it lacks is sent again.`,
  );
  return forgotten + mended;
}

/**
 * Replaces each held receipt whose signature is not that of its statement by the one `given` of the very same statement, and tells it;
 * how many. One that is signed stays, whatever the server says: it proves what was promised.
 */
function mendSignatures(
  { queue, identity, progress }: Pick<Device, 'queue' | 'identity' | 'progress'>,
  given: ReadonlyMap<number, Receipt>,
): number {
  let mended = 0;
  for (const [sequence, theirs] of given) {
    const held = queue.receipt(sequence);
    if (held?.statement !== theirs.statement || isSigned(held, identity.receiptKey)) continue;
    queue.mendReceipt(sequence, theirs);
    mended++;
  }
  if (mended > 0)
    progress.say(`${mended} receipts were damaged in this device's database; the server gave them again.`);
  return mended;
}

function isSigned(receipt: Receipt, receiptKey: string): boolean {
  try {
    readReceipt(receipt, receiptVerifier(receiptKey));
    return true;
  } catch {
    return false;
  }
}
