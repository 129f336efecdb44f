// Packs that no server may take: bombs, lies in the index, lengths beyond every number, things that are no pack.
import { brotliCompressSync, constants } from 'node:zlib';
import { sha256 } from '../../server/sha256.ts';
import { ByteWriter, toHex } from '../../shared/byte-codec.ts';
import { CODECS, type Frame, frameHash, MAX_FRAME_RAW, packHeader, packTail } from '../../shared/pack.ts';
import { buildPack } from '../server/support/build-pack.ts';
import type { Chance } from './chance.ts';
import { wrongAnswer } from './requests.ts';
import { bearer, send, type Target } from './target.ts';

interface Sent {
  readonly bytes: Uint8Array;
  /** What it is said to be; its own SHA-256 where nothing else is given. */
  readonly id?: string;
}

const zeros = new Uint8Array(4 * MAX_FRAME_RAW);
const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
/** 32 MiB of zeros in some thirty bytes. */
const bomb = brotliCompressSync(zeros, quick);
/** One full frame of zeros. */
const fullFrame = brotliCompressSync(zeros.subarray(0, MAX_FRAME_RAW), quick);
const fullHash = frameHash(zeros.subarray(0, MAX_FRAME_RAW), sha256);

const seal = (frames: readonly Frame[], stored: readonly Uint8Array[]): Buffer =>
  Buffer.concat([packHeader(), ...stored, packTail(frames, sha256)]);
const frame = (rawLength: number, stored: Uint8Array, codec: 0 | 1 | 2, hash: Uint8Array): Frame => ({
  rawLength,
  storedLength: stored.length,
  codec,
  hash,
});

/** An index of any numbers, with the right hash over it. */
function indexOf(numbers: readonly number[], hash: Uint8Array, offset: number): Buffer {
  const index = new ByteWriter();
  for (const number of numbers) index.varint(number);
  index.bytes(hash);
  const place = new ByteWriter().u64(offset).view().slice();
  const body = index.view().slice();
  const check = sha256(Buffer.concat([place, body]));
  return Buffer.concat([body, place, check, Uint8Array.of(0x4d, 0x46, 0x50, 0x41, 0x43, 0x4b, 0x01, 0x02)]);
}

export const PACKS: Readonly<Record<string, (chance: Chance) => Sent>> = {
  noise: (chance) => ({ bytes: chance.bytes(60 + chance.int(100_000)) }),
  'noise behind a header': (chance) => ({
    bytes: Buffer.concat([packHeader(), chance.bytes(60 + chance.int(20_000))]),
  }),
  'another id': (chance) => ({ bytes: buildPack([chance.bytes(1_000)]).bytes, id: chance.hex(64) }),
  'a flipped byte': (chance) => {
    const { bytes, id } = buildPack([chance.bytes(5_000), Buffer.alloc(50_000, chance.int(256))]);
    bytes[chance.int(bytes.length)]! ^= 1 + chance.int(255);
    return { bytes, id };
  },
  'a flipped byte that the id knows of': (chance) => {
    const { bytes } = buildPack([chance.bytes(5_000)]);
    bytes[8 + chance.int(5_000)]! ^= 1 + chance.int(255);
    return { bytes };
  },
  'cut off': (chance) => {
    const { bytes, id } = buildPack([chance.bytes(5_000)]);
    return { bytes: bytes.subarray(0, 60 + chance.int(bytes.length - 61)), id };
  },
  'a frame with another hash': (chance) => ({
    bytes: buildPack([chance.bytes(5_000)], { 0: { hash: chance.bytes(32) } }).bytes,
  }),
  'a frame of another length': (chance) => ({
    bytes: buildPack([Buffer.alloc(50_000, 3)], { 0: { rawLength: 50_000 + 1 + chance.int(100_000) } }).bytes,
  }),
  'a bomb': (chance) => ({
    bytes: seal([frame(MAX_FRAME_RAW - chance.int(1_000), bomb, CODECS.brotli, chance.bytes(32))], [bomb]),
  }),
  'more raw bytes than a pack may have': () => ({
    bytes: seal(
      Array.from({ length: 65 }, () => frame(MAX_FRAME_RAW, fullFrame, CODECS.brotli, fullHash)),
      Array.from({ length: 65 }, () => fullFrame),
    ),
  }),
  'a frame larger than any': (chance) => ({
    bytes: seal([frame(MAX_FRAME_RAW + 1 + chance.int(1e9), bomb, CODECS.brotli, chance.bytes(32))], [bomb]),
  }),
  'lengths beyond every number': (chance) => ({
    bytes: Buffer.concat([
      packHeader(),
      indexOf(
        [1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - chance.int(9), chance.int(4)],
        chance.bytes(32),
        8,
      ),
    ]),
  }),
  'a count beyond its bytes': (chance) => ({
    bytes: Buffer.concat([packHeader(), indexOf([1e9 + chance.int(1e9), 1, 1, 0], chance.bytes(32), 8)]),
  }),
  'frames that overlap': (chance) => {
    const stored = chance.bytes(1_000);
    const hash = frameHash(stored, sha256);
    const two = [frame(1_000, stored, CODECS.stored, hash), frame(1_000, stored, CODECS.stored, hash)];
    return { bytes: seal(two, [stored]) };
  },
  'many frames': (chance) => {
    const count = 70_000 + chance.int(5_000);
    const hash = frameHash(Uint8Array.of(1), sha256);
    const one = frame(1, Uint8Array.of(1), CODECS.stored, hash);
    return {
      bytes: seal(
        Array.from({ length: count }, () => one),
        [Buffer.alloc(count, 1)],
      ),
    };
  },
  'a codec that is none': (chance) => {
    const stored = chance.bytes(100);
    return {
      bytes: Buffer.concat([
        packHeader(),
        stored,
        indexOf([1, 200, 100, 3 + chance.int(1_000)], chance.bytes(32), 108),
      ]),
    };
  },
  'noise for a stream': (chance) => {
    const stored = chance.bytes(500);
    return { bytes: seal([frame(5_000, stored, chance.pick([1, 2] as const), chance.bytes(32))], [stored]) };
  },
  'an index that lies elsewhere': (chance) => ({
    bytes: Buffer.concat([
      packHeader(),
      indexOf([0], new Uint8Array(0), chance.pick([0, 1, 7, 1e6, Number.MAX_SAFE_INTEGER])),
    ]),
  }),
};

const NAMES = Object.keys(PACKS);
/** Costly to make and to send: one in so many. */
const RARE = new Set(['many frames', 'more raw bytes than a pack may have']);

/** Sends one hostile pack in one request; what is wrong with the answer, or null. */
export async function hostilePack(
  target: Target,
  chance: Chance,
): Promise<{ name: string; wrong: string | null }> {
  let name = chance.pick(NAMES);
  if (RARE.has(name) && chance.int(20) !== 0) name = 'a bomb';
  const { bytes, id = toHex(sha256(bytes)) } = PACKS[name]!(chance);
  const metadata = `kind ${Buffer.from('pack').toString('base64')},id ${Buffer.from(id).toString('base64')}`;
  const told = await send(target, {
    method: 'POST',
    path: '/v1/uploads',
    headers: {
      ...bearer(target.hostile.credential),
      'tus-resumable': '1.0.0',
      'content-type': 'application/offset+octet-stream',
      'upload-length': String(bytes.length),
      'upload-metadata': metadata,
    },
    body: bytes,
  });
  return { name, wrong: wrongAnswer(told) };
}
