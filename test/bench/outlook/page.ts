// Pages of 512 bytes, sealed with a trailer; and the numbers of the store's format.
//
//   496 B body | type 1 | type again 1 | signature 2 | CRC-32 4 | page id 8
//
// The signature and the id make every page unique even where the body is not.
import { crc32 } from 'node:zlib';
import type { StoreFile } from './store-file.ts';

export const PAGE = 512;
export const PAGE_BODY = 496;
export const BBT_PAGE = 0x80;
export const NBT_PAGE = 0x81;
export const PMAP_PAGE = 0x83;
const AMAP_PAGE = 0x84;
export const DLIST_PAGE = 0x86;

export class Pages {
  readonly #file: StoreFile;
  lastId = 0x1000;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  write(at: number, type: number, body: Buffer): void {
    this.lastId += 4;
    this.#seal(at, type, body, (at ^ this.lastId) & 0xffff, this.lastId);
  }

  /** An AMap has its own place as its id, and no signature: it is written again where it lies. */
  writeAmap(at: number, bits: Buffer): void {
    this.#seal(at, AMAP_PAGE, bits, 0, at);
  }

  #seal(at: number, type: number, body: Buffer, signature: number, id: number): void {
    const page = Buffer.alloc(PAGE);
    body.copy(page);
    page[496] = type;
    page[497] = type;
    page.writeUInt16LE(signature, 498);
    page.writeUInt32LE(crc32(page.subarray(0, PAGE_BODY)), 500);
    putU64(page, 504, id);
    this.#file.write(at, page);
  }
}

/** 64-bit numbers of the format as plain numbers: all of ours are below 2^53. */
export function putU64(target: Buffer, at: number, value: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, at);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}
