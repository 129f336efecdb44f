// A mail as the blocks that Outlook stores for it: properties, recipients, headers, body, attachments, and their list.
import type { Blocks } from './blocks.ts';
import type { Chance } from './chance.ts';
import { putU64 } from './page.ts';
import type { Prose } from './prose.ts';

const LARGEST_BODY = 300_000;
const LARGEST_ATTACHMENT = 20_000_000;
/** An SLBLOCK lists at most this many: more would need a tree. */
const LONGEST_SUBNODE_LIST = 300;

/** Writes one mail, mean about 75 KB, and returns its blocks: the first holds its flags. */
export function writeMessage(blocks: Blocks, prose: Prose, chance: Chance): number[] {
  const ids = [blocks.add(prose.smallBlock(1200, 3600)), blocks.add(prose.smallBlock(500, 1500))];
  ids.push(...blocks.addLong(prose.text(chance.whole(1500, 5000))));
  // HTML body: median 12 KB, mean 18 KB
  ids.push(...blocks.addLong(prose.text(Math.floor(Math.min(LARGEST_BODY, chance.lognormal(9.4, 0.9))))));
  const attachments = chance.unit() < 0.28 ? chance.whole(1, 4) : 0;
  for (let i = 0; i < attachments; i++) {
    ids.push(blocks.add(prose.smallBlock(400, 900)));
    ids.push(...blocks.addLong(prose.attachment(attachmentSize(chance))));
  }
  ids.push(blocks.add(subnodeList(ids)));
  return ids;
}

/** Median 54 KB, mean 100 KB, and one in fifty eight times as large. */
function attachmentSize(chance: Chance): number {
  const usual = Math.min(LARGEST_ATTACHMENT, Math.max(2000, chance.lognormal(10.9, 1.1)));
  return Math.floor(chance.unit() < 0.02 ? usual * 8 : usual);
}

function subnodeList(ids: readonly number[]): Buffer {
  const listed = ids.slice(0, LONGEST_SUBNODE_LIST);
  const list = Buffer.alloc(4 + listed.length * 24);
  list[0] = 2;
  list.writeUInt16LE(ids.length & 0xffff, 2);
  for (const [i, id] of listed.entries()) {
    putU64(list, 4 + i * 24, 0x8000 + i);
    putU64(list, 12 + i * 24, id);
  }
  return list;
}
