// The oracle: it takes for promised what was promised, and sees when a pack begins again.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHAIN_START, statementText } from '../../shared/receipt.ts';
import type { Exchange } from './http-watch.ts';
import { Oracle, Violation } from './oracle.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mailferry-oracle-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const PACK = 'ab'.repeat(32);

function exchange(parts: Partial<Exchange>): Exchange {
  return {
    method: 'GET',
    path: '/',
    headers: {},
    sent: 0,
    status: 200,
    answer: {},
    body: Buffer.alloc(0),
    ...parts,
  };
}

function withUpload(): Oracle {
  const oracle = new Oracle(join(directory, 'log'));
  const metadata = `kind cGFjaw==,id ${Buffer.from(PACK).toString('base64')}`;
  const headers = { 'upload-metadata': metadata, 'upload-length': '2000000' };
  const answer = { location: '/v1/uploads/1' };
  oracle.upload(exchange({ method: 'POST', path: '/v1/uploads', headers, status: 201, answer }));
  return oracle;
}

function patch(from: number): Exchange {
  return exchange({ method: 'PATCH', path: '/v1/uploads/1', headers: { 'upload-offset': String(from) } });
}

test('a pack is promised when its last byte was answered for, not before', () => {
  const oracle = withUpload();
  oracle.passed({ ...patch(0), status: 204, answer: { 'upload-offset': '1999999' } });
  oracle.passed({ ...patch(0), status: 500, answer: { 'upload-offset': '2000000' } });
  expect([...oracle.packs]).toEqual([]);
  oracle.passed({ ...patch(0), status: 204, answer: { 'upload-offset': '2000000' } });
  expect([...oracle.packs]).toEqual([[PACK, 2_000_000]]);
  expect(readFileSync(join(directory, 'log'), 'utf8')).toContain(PACK);
});

test('a pack that begins again after its end is seen; one that goes on is not', () => {
  const oracle = withUpload();
  oracle.body(patch(0), 1_500_000);
  oracle.body(patch(0), 1_500_000);
  oracle.body(patch(1_500_000), 500_000);
  oracle.body(patch(1_000_000), 1_000_000);
  expect(oracle.takeSentTwice(1)).toEqual([]);
  oracle.body(patch(0), 10);
  expect(oracle.takeSentTwice(3_000_000)).toEqual([]);
  oracle.body(patch(0), 10);
  expect(oracle.takeSentTwice(1_048_576)).toEqual([PACK]);
  expect(oracle.takeSentTwice(1)).toEqual([]);
  expect(oracle.bodyBytes).toBe(4_500_020);
});

test('a version has one receipt for ever', () => {
  const oracle = new Oracle(join(directory, 'log'));
  const statement = (sequence: number) =>
    statementText({
      format: 'mailferry-receipt-1',
      device: 'd',
      sequence,
      version: 'v',
      complete: true,
      path: '/mail.pst',
      size: 1,
      sha256: PACK,
      root: PACK,
      committedAt: '2026-11-24T12:00:00.000Z',
      previous: CHAIN_START,
    });
  const receipt = { statement: statement(1), signature: 'ab'.repeat(64) };
  oracle.receipt(receipt, 'passed');
  oracle.receipt(receipt, 'printed');
  expect(oracle.receipts.get('v')?.sequence).toBe(1);
  expect(() => oracle.receipt({ ...receipt, statement: statement(2) }, 'printed')).toThrow(Violation);
});
