// What is written again in its place at each commit: the allocation maps, the list of roomy sections, the header.
import { crc32 } from 'node:zlib';
import { DLIST_PAGE, PAGE, PAGE_BODY, type Pages, PMAP_PAGE, putU64 } from './page.ts';
import { hasPmap, SLOT, type Space, sectionStart } from './space.ts';
import type { StoreFile } from './store-file.ts';

const DLIST_PLACE = 0x4200;
const DLIST_ENTRIES = 119;
const HEADER = 564;

export type HeadState = {
  readonly nbtRoot: number;
  readonly bbtRoot: number;
  readonly lastBlockId: number;
  /** Counts the commits: no two headers of a store are equal. */
  readonly unique: number;
};

/** A PMap has no use in a store of today: all bits are set, and it is never written again. */
export function writePmaps(pages: Pages, space: Space, firstSection: number): void {
  for (let section = firstSection; section < space.sections; section++) {
    if (hasPmap(section)) pages.write(sectionStart(section) + PAGE, PMAP_PAGE, Buffer.alloc(PAGE_BODY, 0xff));
  }
}

export function writeHead(file: StoreFile, pages: Pages, space: Space, state: HeadState): void {
  for (const section of [...space.touched].sort((a, b) => a - b)) {
    pages.writeAmap(sectionStart(section), space.bits(section));
  }
  space.touched.clear();
  pages.write(DLIST_PLACE, DLIST_PAGE, roomySections(space));
  file.write(0, header(pages, space, state));
}

function roomySections(space: Space): Buffer {
  const body = Buffer.alloc(PAGE_BODY);
  const sections = space.roomiest(DLIST_ENTRIES);
  body[1] = sections.length;
  for (const [i, section] of sections.entries()) {
    const free = Math.min(0xfff, space.freeSlots(section));
    body.writeUInt32LE(((free << 20) | (section & 0xfffff)) >>> 0, 8 + i * 4);
  }
  return body;
}

/** [MS-PST] 2.2.2.6, with its fields in their places. The encoding is "permute", that of the spliced text. */
function header(pages: Pages, space: Space, state: HeadState): Buffer {
  const bytes = Buffer.alloc(HEADER);
  bytes.write('!BDN', 0, 'latin1');
  bytes.write('SM', 8, 'latin1');
  bytes.writeUInt16LE(23, 10);
  bytes.writeUInt16LE(19, 12);
  bytes[14] = 1;
  bytes[15] = 1;
  putU64(bytes, 32, pages.lastId);
  bytes.writeUInt32LE(state.unique, 40);
  putU64(bytes, 184, space.end);
  putU64(bytes, 192, sectionStart(space.sections - 1));
  putU64(bytes, 200, space.freeBytes);
  putU64(bytes, 216, Math.floor(state.nbtRoot / SLOT));
  putU64(bytes, 224, state.nbtRoot);
  putU64(bytes, 232, Math.floor(state.bbtRoot / SLOT));
  putU64(bytes, 240, state.bbtRoot);
  bytes[248] = 2;
  bytes.fill(0xff, 256, 512);
  bytes[512] = 0x80;
  bytes[513] = 1;
  putU64(bytes, 516, state.lastBlockId);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, 8 + 471)), 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, 8 + 516)), 524);
  return bytes;
}
