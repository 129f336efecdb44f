// The check of a pack: what is whole is called whole, however many are looked at in the same moment.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { checkPack } from '../../../server/pack/check-pack.ts';
import type { ReadPack } from '../../../server/pack/pack-reader.ts';
import { type BuiltPack, buildPack } from '../support/build-pack.ts';

/** Reads as a disk does: the bytes come a turn of the event loop later. */
function slowly({ bytes }: BuiltPack): ReadPack {
  return async (position, into) => {
    await new Promise(setImmediate);
    into.set(bytes.subarray(position, position + into.length));
    await new Promise(setImmediate);
  };
}

it('keeps packs apart that are checked at the same time, also beside one that is damaged', async () => {
  const packs = Array.from({ length: 5 }, () => buildPack([randomBytes(40_000), randomBytes(1_500_000)]));
  const broken = buildPack([randomBytes(70_000)]);
  broken.bytes[30_000]! ^= 1;
  const check = (pack: BuiltPack) => checkPack(slowly(pack), pack.bytes.length, pack.id);
  const refused = expect(check(broken)).rejects.toThrow('does not match');
  expect(await Promise.all(packs.map(check))).toEqual(packs.map(({ raw }) => raw));
  await refused;
});
