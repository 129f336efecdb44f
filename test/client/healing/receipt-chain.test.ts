// A server that forgot, or tells another story, gives itself away by its receipts.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fitsChain } from '../../../client/healing/receipt-chain.ts';
import {
  CHAIN_START,
  chainText,
  type Receipt,
  type ReceiptStatement,
  statementText,
} from '../../../shared/receipt.ts';

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

function receipt(
  sequence: number,
  previous: string,
  version = `v${sequence}`,
): { receipt: Receipt; statement: ReceiptStatement } {
  const statement: ReceiptStatement = {
    format: 'mailferry-receipt-1',
    device: 'd',
    sequence,
    version,
    complete: true,
    path: '/p',
    size: 1,
    sha256: '',
    root: '',
    committedAt: '',
    previous,
  };
  return { receipt: { statement: statementText(statement), signature: `s${version}` }, statement };
}

const one = receipt(1, CHAIN_START);
const two = receipt(2, digest(chainText(one.receipt)));
const three = receipt(3, digest(chainText(two.receipt)));
const held = (...receipts: { receipt: Receipt; statement: ReceiptStatement }[]) => ({
  at: (sequence: number) => receipts.find(({ statement }) => statement.sequence === sequence)?.receipt,
});

test('the next one', () => {
  expect(fitsChain(two.receipt, two.statement, held(one), digest)).toBe(true);
});

test('the same again, as a repeated commit gets it', () => {
  expect(fitsChain(two.receipt, two.statement, held(one, two), digest)).toBe(true);
});

test('one that comes late, when its first answer was lost', () => {
  expect(fitsChain(two.receipt, two.statement, held(one, three), digest)).toBe(true);
});

test('another one for the same place: the server was put back', () => {
  const other = receipt(2, digest(chainText(one.receipt)), 'other');
  expect(fitsChain(other.receipt, other.statement, held(one, two), digest)).toBe(false);
});

test('one that does not know the one before', () => {
  const stranger = receipt(3, digest('something else'));
  expect(fitsChain(stranger.receipt, stranger.statement, held(one, two), digest)).toBe(false);
});

test('one that the one after does not know', () => {
  const stranger = receipt(2, digest(chainText(one.receipt)), 'other');
  expect(fitsChain(stranger.receipt, stranger.statement, held(one, three), digest)).toBe(false);
});
