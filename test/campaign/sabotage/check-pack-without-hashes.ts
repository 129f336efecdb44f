// The check of a pack as it would be had its author trusted the line and the disk: its index alone.
import { type ReadPack, readPackIndex } from '../../../server/pack/pack-reader.ts';

export * from '../../../server/pack/check-pack.ts';

export async function checkPack(read: ReadPack, stored: number, _id: string): Promise<number> {
  const { index } = await readPackIndex(read, stored);
  let raw = 0;
  for (let at = 0; at < index.count; at++) raw += index.frame(at).rawLength;
  return raw;
}
