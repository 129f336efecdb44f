// Versions are read a few blocks ahead: one reader some, many together no more than a little, whoever stops reading gives it back.
import { expect, test } from 'vitest';
import type { DeviceCatalogue } from '../../../server/catalogue/device-catalogue.ts';
import type { PackReader } from '../../../server/pack/pack-reader.ts';
import { sha256 } from '../../../server/sha256.ts';
import { encodePage, encodePageList } from '../../../server/version/page-codec.ts';
import {
  type MapPage,
  PAGE_BLOCKS,
  PAGE_BYTES,
  pageRoot,
  rootOfPages,
} from '../../../server/version/version-map.ts';
import { type StoredMap, VersionReader } from '../../../server/version/version-reader.ts';
import { COARSE } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';

/** A version of one page of zeros, and a reader of it that counts the blocks read. */
function zeros(readBlock: () => void): { map: StoredMap; reader: VersionReader } {
  const hash = sha256(new Uint8Array(COARSE));
  const hashes = new Uint8Array(PAGE_BLOCKS * 32);
  for (let at = 0; at < hashes.length; at += 32) hashes.set(hash, at);
  const page: MapPage = { hashes, extents: [{ length: PAGE_BYTES, pack: '1', offset: 0 }] };
  const root = pageRoot(page, sha256);
  const map = {
    size: PAGE_BYTES,
    root: toHex(rootOfPages([root], PAGE_BYTES, sha256)),
    pages: encodePageList(PAGE_BYTES, [{ row: 1, root }], sha256),
  };
  const catalogue = {
    device: 'device',
    pages: { get: async () => new Map([[1, encodePage(page, sha256)]]) },
    packs: { byRow: async () => ({ id: 'ab', kind: 'raw' }) },
  };
  const packs = { read: async () => readBlock() };
  return {
    map,
    reader: new VersionReader(
      catalogue as unknown as DeviceCatalogue,
      packs as unknown as Pick<PackReader, 'read'> as PackReader,
    ),
  };
}

test('one reader has some blocks ahead, forty together hardly more than one each, and gives them back', async () => {
  let blocks = 0;
  const { map, reader } = zeros(() => {
    blocks++;
  });
  const start = async () => {
    const bytes = reader.bytes(map, 0, map.size);
    await bytes.next();
    return bytes;
  };
  await (await start()).return(undefined);
  const alone = blocks;
  expect(alone).toBeGreaterThan(2);
  blocks = 0;
  const many = await Promise.all(Array.from({ length: 40 }, start));
  expect(blocks).toBeLessThan(40 + 2 * 16);
  for (const bytes of many) await bytes.return(undefined);
  blocks = 0;
  await start();
  expect(blocks).toBe(alone);
});

test('a reader that meets a damaged block gives back what it had ahead', async () => {
  let blocks = 0;
  let isBroken = true;
  const { map, reader } = zeros(() => {
    blocks++;
    if (isBroken) throw new Error('no disk');
  });
  for (let n = 0; n < 20; n++) await expect(reader.bytes(map, 0, map.size).next()).rejects.toThrow('no disk');
  isBroken = false;
  blocks = 0;
  await reader.bytes(map, 0, map.size).next();
  expect(blocks).toBeGreaterThan(2);
});
