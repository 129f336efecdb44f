// The receipts this device holds: each new one must lead on from them, and those it missed are fetched.
import { verify } from 'node:crypto';
import { toHex } from '../../shared/byte-codec.ts';
import { Failure } from '../../shared/failure.ts';
import { type Receipt, type ReceiptStatement, readReceipt } from '../../shared/receipt.ts';
import type { Device } from '../device.ts';
import { sha256 } from '../fingerprint/block-hashes.ts';
import { fitsChain } from './receipt-chain.ts';

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
  let fetched = 0;
  for await (const receipt of server.receiptsAfter(queue.receiptBefore(statement.sequence), { signal })) {
    const each = readReceipt(receipt, receiptVerifier(identity.receiptKey));
    if (each.sequence >= statement.sequence) break;
    if (each.device !== identity.device) continue;
    assertFitsChain(device, receipt, each);
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
  // A receipt that comes while the server is asked is forgotten by nobody.
  const last = queue.lastReceipt();
  let mended = 0;
  let first = 1;
  for await (const theirs of server.receiptsAfter(0, { signal })) {
    const { sequence } = readReceipt(theirs, receiptVerifier(identity.receiptKey));
    const held = queue.receipt(sequence);
    if (held?.statement !== theirs.statement) continue;
    first = sequence + 1;
    // One that is signed stays, whatever the server says: it proves what was promised.
    if (isSigned(held, identity.receiptKey)) continue;
    queue.mendReceipt(sequence, theirs);
    mended++;
  }
  if (mended > 0)
    progress.say(`${mended} receipts were damaged in this device's database; the server gave them again.`);
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

function isSigned(receipt: Receipt, receiptKey: string): boolean {
  try {
    readReceipt(receipt, receiptVerifier(receiptKey));
    return true;
  } catch {
    return false;
  }
}
