// Requests that are allowed, or nearly, and made to cost as much as they can: change lists, scattered maps, lists, heavy packs.
import { randomUUID } from 'node:crypto';
import { sha256 } from '../../server/sha256.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { CoarseHashes, encodeChangeList } from '../../shared/change-list.ts';
import type { PlacedExtent } from '../../shared/extents.ts';
import type { Chance } from './chance.ts';
import { wrongAnswer } from './requests.ts';
import { bearer, send, type Target, type Told } from './target.ts';

type Kind = (target: Target, chance: Chance) => Promise<{ told: Told; wrong: string | null }>;

const encode = (text: string): string => Buffer.from(text).toString('base64');

/** Answered as asked. */
const as = (status: number) => (told: Told) => ({
  told,
  wrong: told.status === status ? null : `answered ${told.status}: ${told.text.slice(0, 200)}`,
});
/** Refused; with the limit that it went over, where there is one. */
const refused =
  (limited = false) =>
  (told: Told) => ({
    told,
    wrong:
      wrongAnswer(told) ??
      (limited && !/"limit":\d/.test(told.text) ? `names no limit: ${told.text.slice(0, 200)}` : null),
  });

/** So many random hashes, of blocks one after the other from a chosen one on. */
function hashes(chance: Chance, count: number): CoarseHashes {
  const from = chance.int(1_000);
  return new CoarseHashes(
    Float64Array.from({ length: count }, (_, n) => from + n),
    chance.bytes(32 * count),
  );
}

function runsIn(
  packs: readonly string[],
  count: number,
  { length, gap, spread }: { length: number; gap: number; spread: number },
  chance: Chance,
): PlacedExtent[] {
  return Array.from({ length: count }, (_, n) => ({
    at: n * (length + gap),
    length,
    pack: packs[n % packs.length]!,
    offset: chance.int(spread),
  }));
}

function put(target: Target, list: Uint8Array, size: number, base: string | null = null): Promise<Told> {
  return send(target, {
    method: 'PUT',
    path: `/v1/versions/${randomUUID()}`,
    headers: { ...bearer(target.hostile.credential), 'content-type': 'application/json' },
    body: JSON.stringify({
      path: '/x',
      kind: 'file',
      base,
      complete: true,
      size,
      mtime: '2026-11-23T08:00:00.000Z',
      takenAt: '2026-11-23T09:00:00.000Z',
      sha256: 'a'.repeat(64),
      root: 'b'.repeat(64),
      snapshot: 'vss',
      health: 'clean',
      healthNotes: [],
      changes: Buffer.from(list).toString('base64'),
    }),
  });
}

const COSTLY: Readonly<Record<string, Kind>> = {
  'change list of scattered runs': async (target, chance) => {
    const count = 1 + chance.int(20_000);
    const runs = runsIn([target.hostile.pack], count, { length: 64, gap: 0, spread: 1_900_000 }, chance);
    const size = 64 * count;
    const blocks = Math.ceil(size / 65_536);
    const coarse = new CoarseHashes(
      Float64Array.from({ length: blocks }, (_, n) => n),
      chance.bytes(32 * blocks),
    );
    return put(target, encodeChangeList({ runs, coarse }, sha256), size).then(refused());
  },
  'change list of more runs in a page than there may be': async (target, chance) => {
    const count = 16_385 + chance.int(10_000);
    const runs = runsIn(
      [target.hostile.pack],
      count,
      { length: 1 + chance.int(30), gap: 0, spread: 1_900_000 },
      chance,
    );
    const { at, length } = runs.at(-1)!;
    const blocks = Math.ceil((at + length) / 65_536);
    const coarse = new CoarseHashes(
      Float64Array.from({ length: blocks }, (_, n) => n),
      chance.bytes(32 * blocks),
    );
    return put(target, encodeChangeList({ runs, coarse }, sha256), at + length).then(refused(true));
  },
  'change list of unknown packs': async (target, chance) => {
    const packs = Array.from({ length: 1 + chance.int(5_000) }, () => toHex(chance.bytes(32)));
    const runs = runsIn(packs, packs.length, { length: 64, gap: chance.int(100_000), spread: 1 }, chance);
    return put(target, encodeChangeList({ runs, coarse: hashes(chance, 3) }, sha256), 1e9).then(refused());
  },
  'change list of hashes': async (target, chance) =>
    put(target, encodeChangeList({ runs: [], coarse: hashes(chance, chance.int(30_000)) }, sha256), 1e9).then(
      refused(),
    ),
  'change list that is cut or bent': async (target, chance) => {
    const runs = runsIn(
      [target.hostile.pack],
      1 + chance.int(5_000),
      { length: 64, gap: 9, spread: 9 },
      chance,
    );
    const list = encodeChangeList({ runs, coarse: hashes(chance, 9) }, sha256);
    list[chance.int(list.length)]! ^= 1 + chance.int(255);
    return put(target, list.subarray(0, list.length - chance.int(2) * chance.int(40)), 1e9).then(refused());
  },
  'change list as an upload that is none': async (target, chance) => {
    const bytes = chance.bytes(1 + chance.int(50_000));
    const made = await send(target, {
      method: 'POST',
      path: '/v1/uploads',
      headers: {
        ...bearer(target.hostile.credential),
        'tus-resumable': '1.0.0',
        'content-type': 'application/offset+octet-stream',
        'upload-length': String(bytes.length),
        'upload-metadata': `kind ${encode('change-list')},id ${encode(chance.hex(64))}`,
      },
      body: bytes,
    });
    return refused()(made);
  },
  'a byte of a scattered version': async (target, chance) =>
    send(target, {
      method: 'GET',
      path: `/v1/versions/${target.hostile.scattered}/content`,
      headers: { ...bearer(target.hostile.credential), range: `bytes=${chance.int(1_000_000)}-${1_000_000}` },
    }).then(as(206)),
  'a fingerprint of a scattered version': async (target) =>
    send(target, {
      method: 'GET',
      path: `/v1/versions/${target.hostile.scattered}/fingerprint`,
      headers: bearer(target.hostile.credential),
    }).then(as(200)),
  'a list, with a long question': async (target, chance) =>
    send(target, {
      method: 'POST',
      path: '/v1/versions/search',
      headers: { ...bearer(target.hostile.credential), 'content-type': 'application/json' },
      body: JSON.stringify({ path: `/${'x'.repeat(chance.int(30_000))}`, limit: '500' }),
    }).then(as(200)),
  'a list of all': async (target, chance) =>
    send(target, {
      method: 'GET',
      path: `/v1/${chance.pick(['versions?limit=500', 'versions?limit=500&newest=each', 'receipts?after=0'])}`,
      headers: bearer(target.hostile.credential),
    }).then(as(200)),
};

const NAMES = Object.keys(COSTLY);

/** Sends one; what is wrong with the answer, or null. */
export async function costlyRequest(
  target: Target,
  chance: Chance,
): Promise<{ name: string; wrong: string | null }> {
  const name = chance.pick(NAMES);
  const { wrong } = await COSTLY[name]!(target, chance);
  return { name, wrong };
}
