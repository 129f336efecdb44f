// A receipt is believed only as it was signed, to the last bit of both its texts, and only in the one form it has.
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHAIN_START,
  chainText,
  type Receipt,
  type ReceiptStatement,
  readReceipt,
  statementText,
} from '../../shared/receipt.ts';
import { everyAddition, everyFlip, everyLoss } from './damage.ts';
import { outcome } from './outcome.ts';
import { sha256Hex } from './sha256.ts';

const server = generateKeyPairSync('ed25519');

const signText = (statement: string, key: KeyObject = server.privateKey): Receipt => ({
  statement,
  signature: sign(null, Buffer.from(statement), key).toString('hex'),
});
const accepts = (statement: string, signature: string) =>
  verify(null, Buffer.from(statement), server.publicKey, Buffer.from(signature, 'hex'));
const read = (receipt: Receipt) => readReceipt(receipt, accepts);

const statement: ReceiptStatement = {
  format: 'mailferry-receipt-1',
  device: 'd1',
  sequence: 1,
  version: '0199a0e0-7b1c-7000-8000-0123456789ab',
  complete: true,
  path: 'C:\\Users\\Zoë\\Outlook "alt"\\Archiv ✉.pst',
  size: 1_073_741_824,
  sha256: sha256Hex('whole'),
  root: sha256Hex('root'),
  committedAt: '2025-11-24T08:00:00.000Z',
  previous: CHAIN_START,
};

const statements: fc.Arbitrary<ReceiptStatement> = fc.record({
  format: fc.constant('mailferry-receipt-1' as const),
  device: fc.string(),
  sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  version: fc.uuid(),
  complete: fc.boolean(),
  path: fc.string({ unit: 'binary' }),
  size: fc.maxSafeNat(),
  sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(sha256Hex),
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(sha256Hex),
  committedAt: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  previous: fc.constant(CHAIN_START),
});

describe('a receipt', () => {
  it('gives back the statement that was signed', () => {
    expect(read(signText(statementText(statement)))).toEqual(statement);
    fc.assert(
      fc.property(statements, (any) => {
        expect(read(signText(statementText(any)))).toEqual(any);
      }),
    );
  });

  it('keeps a path that is no good Unicode, as Windows allows it', () => {
    const odd = { ...statement, path: 'C:\\\ud800\\x\udc00.pst' };
    expect(statementText(odd)).toContain('\\ud800');
    expect(read(signText(statementText(odd)))).toEqual(odd);
  });

  it('is one line, its keys in one order whatever order they were given in', () => {
    const backwards = Object.fromEntries(Object.entries(statement).reverse()) as unknown as ReceiptStatement;
    expect(statementText(backwards)).toBe(statementText(statement));
    expect(statementText({ ...statement, extra: 1 } as ReceiptStatement)).toBe(statementText(statement));
    expect(Object.keys(JSON.parse(statementText(statement)))).toEqual([
      'format',
      'device',
      'sequence',
      'version',
      'complete',
      'path',
      'size',
      'sha256',
      'root',
      'committedAt',
      'previous',
    ]);
    fc.assert(
      fc.property(statements, (any) => {
        expect(statementText(any)).not.toMatch(/[\n\r]/);
      }),
    );
  });

  it('is shown to `verify` as it is, and only once its signature can be one', () => {
    const shown: string[][] = [];
    const receipt = signText(statementText(statement));
    const never = (...texts: string[]) => {
      shown.push(texts);
      return false;
    };
    expect(outcome(() => readReceipt(receipt, never))).toBe('receipt_invalid');
    expect(outcome(() => readReceipt({ ...receipt, signature: 'no' }, never))).toBe('receipt_invalid');
    expect(shown).toEqual([[receipt.statement, receipt.signature]]);
  });
});

describe('damage', () => {
  const sound = signText(statementText(statement));
  const text = Buffer.from(sound.statement);

  it('of any bit of the statement is seen', () => {
    for (const { what, bytes } of everyFlip(text)) {
      const damaged = { ...sound, statement: Buffer.from(bytes).toString() };
      expect(
        outcome(() => read(damaged)),
        what,
      ).toBe('receipt_invalid');
    }
  });

  it('of any bit of any UTF-16 unit of the statement is seen', () => {
    for (let at = 0; at < sound.statement.length; at++) {
      // The low bits of ASCII were flipped above.
      for (let bit = sound.statement.charCodeAt(at) < 0x80 ? 7 : 0; bit < 16; bit++) {
        const unit = String.fromCharCode(sound.statement.charCodeAt(at) ^ (1 << bit));
        const damaged = {
          ...sound,
          statement: sound.statement.slice(0, at) + unit + sound.statement.slice(at + 1),
        };
        expect(
          outcome(() => read(damaged)),
          `unit ${at}, bit ${bit}`,
        ).toBe('receipt_invalid');
      }
    }
  });

  it('of any bit of the signature is seen', () => {
    for (const { what, bytes } of everyFlip(Buffer.from(sound.signature))) {
      const damaged = { ...sound, signature: Buffer.from(bytes).toString('latin1') };
      expect(
        outcome(() => read(damaged)),
        what,
      ).toBe('receipt_invalid');
    }
  });

  it('by a byte missing or added anywhere in either text is seen', () => {
    for (const { what, bytes } of [...everyLoss(text), ...everyAddition(text)]) {
      const damaged = { ...sound, statement: Buffer.from(bytes).toString() };
      expect(
        outcome(() => read(damaged)),
        `statement: ${what}`,
      ).toBe('receipt_invalid');
    }
    const signature = Buffer.from(sound.signature);
    for (const { what, bytes } of [...everyLoss(signature), ...everyAddition(signature)]) {
      const damaged = { ...sound, signature: Buffer.from(bytes).toString('latin1') };
      expect(
        outcome(() => read(damaged)),
        `signature: ${what}`,
      ).toBe('receipt_invalid');
    }
  });

  it('of a text whose bytes are the same is seen: what is no good Unicode becomes U+FFFD when it is signed', () => {
    const odd = signText(statementText({ ...statement, path: 'C:\\\ufffd.pst' }));
    expect(outcome(() => read(odd))).toBe('accepted');
    for (const unit of ['\ud800', '\udfff']) {
      const other = { ...odd, statement: odd.statement.replace('\ufffd', unit) };
      expect(accepts(other.statement, other.signature)).toBe(true);
      expect(outcome(() => read(other))).toBe('receipt_invalid');
    }
  });

  it('of a signature into its twin is seen: the same number, and the order of the group added to it', () => {
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const bytes = Buffer.from(sound.signature, 'hex');
    const number = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + order;
    const twin = Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
    const signature = Buffer.concat([bytes.subarray(0, 32), twin]).toString('hex');
    expect(signature).toHaveLength(128);
    expect(outcome(() => read({ ...sound, signature }))).toBe('receipt_invalid');
  });

  it('by another server, or by the signature of another receipt, is seen', () => {
    const other = generateKeyPairSync('ed25519').privateKey;
    expect(outcome(() => read(signText(sound.statement, other)))).toBe('receipt_invalid');
    const next = signText(
      statementText({ ...statement, sequence: 2, previous: sha256Hex(chainText(sound)) }),
    );
    expect(outcome(() => read({ ...sound, signature: next.signature }))).toBe('receipt_invalid');
  });

  it.each([
    '',
    'ab'.repeat(63),
    'ab'.repeat(65),
    'AB'.repeat(64),
    `${'ab'.repeat(64)}\n`,
    `0x${'ab'.repeat(63)}`,
  ])('a signature %j is refused whatever `verify` says', (signature) => {
    expect(outcome(() => readReceipt({ ...sound, signature }, () => true))).toBe('receipt_invalid');
  });
});

describe('signed by the server, and yet refused', () => {
  const text = statementText(statement);
  const withField = (name: string, value: unknown) => JSON.stringify({ ...statement, [name]: value });

  it.each([
    ['nothing', ''],
    ['no JSON', 'mailferry-receipt-1'],
    ['null', 'null'],
    ['a number', '1'],
    ['a text', '"mailferry-receipt-1"'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['nothing but the format', '{"format":"mailferry-receipt-1"}'],
    ['the next format', text.replace('receipt-1', 'receipt-2')],
    ['another key', `${text.slice(0, -1)},"more":1}`],
    ['a key twice', text.replace('"complete":true', '"complete":false,"complete":true')],
    ['a prototype', `${text.slice(0, -1)},"__proto__":{"complete":false}}`],
    ['a space after it', `${text} `],
    ['a line feed after it', `${text}\n`],
    ['a space in it', text.replace(',', ', ')],
    ['a byte order mark', `\ufeff${text}`],
    ['another order', JSON.stringify(Object.fromEntries(Object.entries(statement).reverse()))],
    ['an escape that is not needed', text.replace('"d1"', '"\\u00641"')],
    ['a number written otherwise', text.replace('1073741824', '1.073741824e9')],
    ['a size that a number can not hold', text.replace('1073741824', '9007199254740993')],
    ['a size below nothing', withField('size', -1)],
    ['a part of a byte', withField('size', 0.5)],
    ['sequence 0', withField('sequence', 0)],
    ['complete as a text', withField('complete', 'false')],
  ])('%s', (_, signed) => {
    expect(outcome(() => read(signText(signed)))).toBe('receipt_invalid');
  });

  it.each(Object.keys(statement))('without %s, or with something else in its place', (name) => {
    for (const value of [undefined, null, [], {}, true, 1, 'x']) {
      const original = statement[name as keyof ReceiptStatement];
      if (typeof value === typeof original && name !== 'format') continue;
      expect(
        outcome(() => read(signText(withField(name, value)))),
        String(value),
      ).toBe('receipt_invalid');
    }
  });
});

describe('the chain', () => {
  it('starts at 64 zeros, and goes on from both texts of the receipt before', () => {
    expect(CHAIN_START).toBe('0'.repeat(64));
    expect(chainText({ statement: '{}', signature: 'ab' })).toBe('{}\nab');
  });

  it('breaks where a receipt is left out, put in, changed or moved', () => {
    const links: Receipt[] = [];
    for (let sequence = 1; sequence <= 5; sequence++) {
      const last = links.at(-1);
      const previous = last ? sha256Hex(chainText(last)) : CHAIN_START;
      links.push(signText(statementText({ ...statement, sequence, previous })));
    }
    const holds = (chain: readonly Receipt[]) =>
      chain.every((link, i) => {
        const before = chain[i - 1];
        return read(link).previous === (before ? sha256Hex(chainText(before)) : CHAIN_START);
      });
    expect(holds(links)).toBe(true);
    const forged = signText(statementText({ ...statement, sequence: 3, path: 'other' }));
    for (let i = 0; i < links.length - 1; i++) {
      expect(holds(links.toSpliced(i, 1))).toBe(false);
      expect(holds(links.toSpliced(i, 0, links[i]!))).toBe(false);
      expect(holds(links.toSpliced(i, 1, forged))).toBe(false);
      expect(holds(links.toSpliced(i, 2, links[i + 1]!, links[i]!))).toBe(false);
    }
  });
});

it('is signed with a key that can be kept: the same key signs the same text alike', () => {
  const pem = server.privateKey.export({ type: 'pkcs8', format: 'pem' });
  expect(signText('x', createPrivateKey(pem))).toEqual(signText('x'));
});
