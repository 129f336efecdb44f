// The formats are pinned: what lies in test/golden opens for ever, and today's writer writes the very same bytes.
//
// Each file was written once, by this test, when its format was new:
//
//   MAILFERRY_GOLDEN=make npx vitest run --config test/vitest.config.ts test/shared/golden.test.ts
//
// which makes the files that are missing and never touches one that is there. A format that changes gets a new version
// number, a new file and a new reader beside the old ones; the old file stays, and so does its test.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../shared/byte-codec.ts';
import { decodeChangeList, encodeChangeList } from '../../shared/change-list.ts';
import { CODECS, type Frame, frameHash, packHeader, packTail } from '../../shared/pack.ts';
import { chainText, type Receipt, readReceipt, statementText } from '../../shared/receipt.ts';
import { ZstdForm } from '../../shared/zstd-form.ts';
import { joined } from './damage.ts';
import { framesOf, HAS_ZSTD, rawOf } from './pack-file.ts';
import { sha256, sha256Hex } from './sha256.ts';

/** The committed file; made from `fresh` first where it is missing and making was asked for. */
function golden(name: string, fresh: () => Uint8Array | string): Uint8Array {
  const file = new URL(`../golden/${name}`, import.meta.url);
  if (process.env.MAILFERRY_GOLDEN === 'make') {
    try {
      writeFileSync(file, fresh(), { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return new Uint8Array(readFileSync(file));
}

const repeated = (text: string, length: number) =>
  new Uint8Array(Buffer.from(text.repeat(Math.ceil(length / text.length))).subarray(0, length));

describe('pack-v1.bin', () => {
  const letter = repeated('Dear all, the ferry leaves at eight.\r\n', 70_000);
  // Compressors of other runtimes write other bytes for the same text, so the compressed frames are given: what brotli
  // 1.1.0 made of the letter (two pieces of 64 KiB), and zstd's frame of one repeated byte, written by hand.
  const brotli = fromHex(
    '5b6f1101407472de16f8e72da1480e59f49272157c3e4bce5abb9a026762775f4b0f760b1e3027480848b712',
  );
  const parts: { raw: Uint8Array; stored: Uint8Array; codec: Frame['codec'] }[] = [
    stored(repeated('!BDN', 64)),
    { raw: letter, stored: brotli, codec: CODECS.brotli },
    { raw: repeated('m', 1_000), stored: fromHex('28b52ffd60e802431f006d'), codec: CODECS.zstd },
    stored(Uint8Array.of(0)),
  ];

  function stored(raw: Uint8Array) {
    return { raw, stored: raw, codec: CODECS.stored };
  }

  const write = () => {
    const frames = parts.map((part) => ({
      rawLength: part.raw.length,
      storedLength: part.stored.length,
      codec: part.codec,
      hash: frameHash(part.raw, sha256),
    }));
    return joined(packHeader(), ...parts.map((part) => part.stored), packTail(frames, sha256));
  };
  const pack = golden('pack-v1.bin', write);

  it('is the file it was', () => {
    expect(pack.length).toBe(320);
    expect(sha256Hex(pack)).toBe('8b11bea327c24674ae6330451bb2e2c9911b0e2df3545774708ec9eeb7a04325');
  });

  it('opens, with its frames where they were', () => {
    expect(framesOf(pack).map(({ hash, ...frame }) => ({ ...frame, hash: toHex(hash).slice(0, 8) }))).toEqual(
      [
        { rawLength: 64, storedLength: 64, codec: 0, rawOffset: 0, storedOffset: 8, hash: '31e53846' },
        { rawLength: 70_000, storedLength: 44, codec: 1, rawOffset: 64, storedOffset: 72, hash: 'bd3b77b3' },
        {
          rawLength: 1_000,
          storedLength: 11,
          codec: 2,
          rawOffset: 70_064,
          storedOffset: 116,
          hash: 'c9370278',
        },
        { rawLength: 1, storedLength: 1, codec: 0, rawOffset: 71_064, storedOffset: 127, hash: 'd9de2762' },
      ],
    );
  });

  it.each([0, 1, 2, 3])('gives the bytes of frame %d', (index) => {
    const frame = framesOf(pack)[index]!;
    if (frame.codec === CODECS.zstd && !HAS_ZSTD) {
      // This runtime can't unfold it; that it is the frame it was, the hash says.
      expect(toHex(frame.hash)).toBe(toHex(frameHash(parts[index]!.raw, sha256)));
      return;
    }
    expect(Buffer.compare(rawOf(pack, frame), parts[index]!.raw)).toBe(0);
  });

  it('is what is written today', () => {
    expect(toHex(write())).toBe(toHex(pack));
  });

  it('has in its brotli frame just these bits that no decoder needs', () => {
    // 0.1 to 0.3: the window size, larger than the stream asks for. 4.5 and 4.6: the context mode of literals, which says
    // nothing where all of them share one code. The bits that fill up the last byte are not among them: they are checked.
    const unneeded: string[] = [];
    for (let bit = 0; bit < 8 * brotli.length; bit++) {
      const flipped = brotli.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const raw = brotliDecompressSync(flipped, { maxOutputLength: letter.length });
        if (Buffer.compare(raw, letter) === 0) unneeded.push(`${bit >> 3}.${bit & 7}`);
      } catch {
        // Seen by the decoder itself.
      }
    }
    expect(unneeded).toEqual(['0.1', '0.2', '0.3', '4.5', '4.6']);
  });
});

describe('pack-v1-zstd.bin', () => {
  // What zstd 1.5.7 made of two letters: one of two pieces of 64 KiB in a single segment, as a first backup has them, and one with a
  // window smaller than itself.
  const parts = [
    {
      raw: repeated('Dear all, the ferry leaves at eight.\r\n', 70_000),
      stored: fromHex(
        '28b52ffda07011010085010064024465617220616c6c2c20746865206665727279206c65617665732061742065696768742e0d0a01003e8a48b97a02',
      ),
    },
    {
      raw: repeated('The ferry, again. ', 300_000),
      stored: fromHex(
        '28b52ffd8038e0930400d40000905468652066657272792c20616761696e2e200100d6ff2b9f61440000000100fdff954f20450000000100dd93d22710',
      ),
    },
  ];

  const write = () => {
    const frames = parts.map(({ raw, stored }) => ({
      rawLength: raw.length,
      storedLength: stored.length,
      codec: CODECS.zstd,
      hash: frameHash(raw, sha256),
    }));
    return joined(packHeader(), ...parts.map(({ stored }) => stored), packTail(frames, sha256));
  };
  const pack = golden('pack-v1-zstd.bin', write);

  it('is the file it was, and what is written today', () => {
    expect(sha256Hex(pack)).toBe('d286f8482713099f336429655039daa3f2bcb517183dfd4ee4b3eac7f4b05d55');
    expect(toHex(write())).toBe(toHex(pack));
  });

  it.each([0, 1])('gives the bytes of frame %d, whose form is the one that packs have', (index) => {
    const frame = framesOf(pack)[index]!;
    const { raw, stored } = parts[index]!;
    expect(frame).toMatchObject({ rawLength: raw.length, storedLength: stored.length, codec: CODECS.zstd });
    expect(Buffer.compare(rawOf(pack, frame), raw)).toBe(0);
    const form = new ZstdForm(frame.rawLength);
    form.push(pack.subarray(frame.storedOffset, frame.storedOffset + frame.storedLength));
    form.end();
  });
});

describe('change-list-v1.bin', () => {
  const first = 'a1'.repeat(32);
  const second = '0b'.repeat(32);
  const list = {
    runs: [
      { at: 0, length: 1_024, pack: first, offset: 0 },
      { at: 65_536, length: 300, pack: second, offset: 4_194_304 },
      { at: 65_836, length: 1, pack: first, offset: 512 },
      { at: 2 ** 40, length: 2 ** 33 + 1, pack: first, offset: 513 },
    ],
    coarse: [
      { index: 0, hash: sha256('block 0') },
      { index: 1, hash: sha256('block 1') },
      { index: 2 ** 24, hash: sha256('block 2^24') },
    ],
  };
  const bytes = golden('change-list-v1.bin', () => encodeChangeList(list, sha256));

  it('is the file it was', () => {
    expect(bytes.length).toBe(239);
    expect(sha256Hex(bytes)).toBe('2219131d3e5eaf1e32180e2bed495dfd27ee05c1911e72d92c703e7d2b5d9da5');
  });

  it('opens', () => {
    const { runs, coarse } = decodeChangeList(bytes, sha256);
    expect({ runs, coarse: [...coarse] }).toEqual(list);
  });

  it('is what is written today', () => {
    expect(toHex(encodeChangeList(list, sha256))).toBe(toHex(bytes));
  });
});

describe('receipt-v1.json', () => {
  // A key that everybody knows: the first test key of RFC 8032, section 7.1.
  const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const der = Buffer.from(joined(fromHex('302e020100300506032b657004220420'), seed));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const receiptKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

  const base = {
    format: 'mailferry-receipt-1' as const,
    device: '0199a0e0-0000-7000-8000-00000000000d',
    path: 'C:\\Users\\Zoë\\Documents\\Outlook Files\\archive "2019" ✉.pst',
    size: 1_073_741_824,
    sha256: sha256Hex('the whole'),
    root: sha256Hex('the root'),
  };

  const write = () => {
    const receipts: Receipt[] = [];
    for (const sequence of [1, 2]) {
      const last = receipts.at(-1);
      const statement = statementText({
        ...base,
        sequence,
        version: `0199a0e0-0000-7000-8000-00000000000${sequence}`,
        complete: sequence === 2,
        committedAt: `2025-11-24T08:0${sequence}:00.000Z`,
        previous: last ? sha256Hex(chainText(last)) : '0'.repeat(64),
      });
      receipts.push({ statement, signature: sign(null, Buffer.from(statement), key).toString('hex') });
    }
    return `${JSON.stringify({ receiptKey, receipts }, null, 2)}\n`;
  };
  const text = Buffer.from(golden('receipt-v1.json', write)).toString();
  const file: { receiptKey: string; receipts: [Receipt, Receipt] } = JSON.parse(text);
  const read = (receipt: Receipt) =>
    readReceipt(receipt, (statement, signature) =>
      verify(null, Buffer.from(statement), createPublicKey(file.receiptKey), Buffer.from(signature, 'hex')),
    );

  it('is the file it was', () => {
    expect(sha256Hex(text)).toBe('704ca790481bdbf45b986955b24389405efbd90da49149baf31243467b8486fd');
  });

  it('opens: a checkpoint, and the complete version after it in the chain', () => {
    const [checkpoint, complete] = file.receipts;
    expect(read(checkpoint)).toEqual({
      ...base,
      sequence: 1,
      version: '0199a0e0-0000-7000-8000-000000000001',
      complete: false,
      committedAt: '2025-11-24T08:01:00.000Z',
      previous: '0'.repeat(64),
    });
    expect(read(complete)).toEqual({
      ...base,
      sequence: 2,
      version: '0199a0e0-0000-7000-8000-000000000002',
      complete: true,
      committedAt: '2025-11-24T08:02:00.000Z',
      previous: sha256Hex(chainText(checkpoint)),
    });
  });

  it('is what is written today', () => {
    expect(write()).toBe(text);
  });
});
