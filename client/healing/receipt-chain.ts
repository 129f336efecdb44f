// Whether a receipt fits to those the device holds: a server that was restored from an old copy gives itself away here.
import { chainText, type Receipt, type ReceiptStatement } from '../../shared/receipt.ts';

/** The receipts this device holds, by sequence; there may be gaps, where another client used its credential. */
export interface HeldReceipts {
  at(sequence: number): Receipt | undefined;
}

/**
 * False where another receipt is held for the same sequence, or where the chain does not lead from the one before to this one, or
 * from this one to the one after (a receipt may come late, when its first answer was lost). `digest`: SHA-256 in hexadecimal.
 */
export function fitsChain(
  receipt: Receipt,
  statement: ReceiptStatement,
  held: HeldReceipts,
  digest: (text: string) => string,
): boolean {
  const same = held.at(statement.sequence);
  const before = held.at(statement.sequence - 1);
  const after = held.at(statement.sequence + 1);
  if (same && (same.statement !== receipt.statement || same.signature !== receipt.signature)) return false;
  if (before && statement.previous !== digest(chainText(before))) return false;
  return !after || (JSON.parse(after.statement) as ReceiptStatement).previous === digest(chainText(receipt));
}
