// Judges an Outlook store (PST, OST) by its header: no bytes make it throw, and it never calls a store damaged on a guess.
//
// What the header holds, by its byte offset ([MS-PST] 2.2.2.6 HEADER, 2.2.2.5 ROOT; integers are little-endian):
//
//   field          ANSI      Unicode    what it is
//   dwMagic        0  (4)    0   (4)    "!BDN"
//   dwCRCPartial   4  (4)    4   (4)    checksum of the 471 bytes at 8
//   wMagicClient   8  (2)    8   (2)    "SM" a PST, "SO" an OST
//   wVer           10 (2)    10  (2)    which layout and page size, see VERSIONS
//   bidNextB       24 (4)    516 (8)    counter: the next block's id
//   bidNextP       28 (4)    32  (8)    counter: the next page's id
//   dwUnique       32 (4)    40  (4)    counter: goes up with every change of the header
//   ROOT           164 (40)  180 (72)
//     ibFileEof    168 (4)   184 (8)    length of the file in bytes
//     fAMapValid   200 (1)   248 (1)    0 the allocation maps are not valid; 1 and 2 they are
//   dwCRCFull      -         524 (4)    checksum of the 516 bytes at 8
//
// How far that is confirmed. Versions 14 and 23 are documented and agree with real files. Version 15 (ANSI) and 37
// (Unicode, written by an Outlook that knows Windows Information Protection) are documented, no file was at hand.
// Version 36 (pages of 4 KiB, OSTs since Outlook 2013) is not in [MS-PST]; layout and both checksum ranges were
// confirmed on two OSTs, and neither checksum matches over any other length. Version 21 is known from libpst and libpff
// only; it is read as 23. The client mark "SO" is not in [MS-PST] either and was confirmed on OSTs of version 23 and 36.

/** What the header says about a store; `needs-repair` is damage that is certain, seen in the header or the length. */
type StoreVerdict = 'clean' | 'needs-repair' | 'not-a-store';

type StoreFormat = 'ansi' | 'unicode' | 'unicode-4k';

export interface StoreHealth {
  readonly verdict: StoreVerdict;
  /** null when the header does not name one that is known. */
  readonly format: StoreFormat | null;
  readonly client: 'pst' | 'ost' | null;
  /** Plain sentences. A clean store can have some too: what was noticed but is no damage. */
  readonly reasons: readonly string[];
  /** As the header states them, even where its checksum fails; the 64-bit ones in decimal. null: not readable. */
  readonly counters: {
    readonly unique: number;
    readonly nextBlock: string;
    readonly nextPage: string;
  } | null;
  /** false: Outlook rebuilds its allocation maps at the next open, which is no damage. null: not readable. */
  readonly amapValid: boolean | null;
}

interface Layout {
  readonly headerBytes: number;
  readonly counterBytes: 4 | 8;
  readonly nextBlock: number;
  readonly nextPage: number;
  readonly unique: number;
  readonly fileEof: number;
  readonly amapValid: number;
  readonly crcFull: number | null;
}

const ANSI: Layout = {
  headerBytes: 512,
  counterBytes: 4,
  nextBlock: 24,
  nextPage: 28,
  unique: 32,
  fileEof: 168,
  amapValid: 200,
  crcFull: null,
};

const UNICODE: Layout = {
  headerBytes: 564,
  counterBytes: 8,
  nextBlock: 516,
  nextPage: 32,
  unique: 40,
  fileEof: 184,
  amapValid: 248,
  crcFull: 524,
};

/** wVer. [MS-PST] puts 37 under the Unicode PST and does not speak of 4 KiB pages, so neither do we. */
const VERSIONS: ReadonlyMap<number, { readonly format: StoreFormat; readonly layout: Layout }> = new Map([
  [14, { format: 'ansi', layout: ANSI }],
  [15, { format: 'ansi', layout: ANSI }],
  [21, { format: 'unicode', layout: UNICODE }],
  [23, { format: 'unicode', layout: UNICODE }],
  [36, { format: 'unicode-4k', layout: UNICODE }],
  [37, { format: 'unicode', layout: UNICODE }],
]);

const MAGIC = 0x4e444221; // "!BDN"
const CLIENT_PST = 0x4d53; // "SM"
const CLIENT_OST = 0x4f53; // "SO"
const CLIENT_PAB = 0x4241; // "AB", a personal address book: same magic, no store

const CRC_PARTIAL = 4;
const CRC_START = 8;
const CRC_PARTIAL_END = CRC_START + 471;
const CRC_FULL_END = CRC_START + 516;

/**
 * Judges a store by its header and length.
 *
 * `bytes` is the beginning of the file (564 bytes are enough, more do no harm), `fileLength` the length of the whole
 * file in bytes (a RangeError if that is no whole number). Whatever is wrong with the file is in the verdict and its
 * reasons, never thrown. A clean verdict speaks of the header and the length only, not of the pages and blocks behind
 * it. Source: [MS-PST] 2.2.2.6, 2.2.2.5, 5.3.
 */
export function parseStoreHeader(bytes: Uint8Array, fileLength: number): StoreHealth {
  const view = viewOf(bytes);
  if (fileLength === 0) return notAStore('The file is empty.');
  if (!hasMagic(view)) return notAStore('The file does not begin as a store does (!BDN).');
  if (view.byteLength < CRC_PARTIAL_END) return cutShort(null, null);

  const clientMark = view.getUint16(8, true);
  if (clientMark === CLIENT_PAB) return notAStore('The file is a personal address book.');
  const client = clientMark === CLIENT_PST ? 'pst' : clientMark === CLIENT_OST ? 'ost' : null;
  const version = view.getUint16(10, true);
  const known = VERSIONS.get(version);
  const partialMatches = checksum(bytes, CRC_PARTIAL_END) === view.getUint32(CRC_PARTIAL, true);

  if (client === null || known === undefined) {
    // With a checksum that matches this is no damage but something nobody here knows.
    const names = `mark 0x${clientMark.toString(16)}, version ${version}`;
    if (partialMatches) return notAStore(`The header names a kind of store that is not known (${names}).`);
    const format = known?.format ?? null;
    return { ...NOTHING_READ, verdict: 'needs-repair', format, client, reasons: [CHECKSUM_FAILS] };
  }

  const { format, layout } = known;
  if (view.byteLength < layout.headerBytes) return cutShort(format, client);

  const damage: string[] = [];
  const notes: string[] = [];
  const fullMatches =
    layout.crcFull === null || checksum(bytes, CRC_FULL_END) === view.getUint32(layout.crcFull, true);
  if (!partialMatches || !fullMatches) damage.push(CHECKSUM_FAILS);

  const statedLength = counterAt(view, layout, layout.fileEof);
  if (BigInt(fileLength) < statedLength) {
    damage.push(
      `The file ends before the length its header states (${fileLength} of ${statedLength} bytes).`,
    );
  } else if (BigInt(fileLength) > statedLength) {
    // A store grows before its header says so ([MS-PST] 2.6.1.1.2), and a snapshot can fall in between.
    notes.push(`The file is longer than its header states (${fileLength} bytes, stated ${statedLength}).`);
  }

  const amapValid = view.getUint8(layout.amapValid) !== 0;
  // Not valid for as long as any space is allocated or freed ([MS-PST] 2.6.1.3.7): usual in a store that is in use.
  if (!amapValid) notes.push('The allocation maps are marked as not valid; Outlook rebuilds them.');

  return {
    verdict: damage.length > 0 ? 'needs-repair' : 'clean',
    format,
    client,
    reasons: [...damage, ...notes],
    counters: {
      unique: view.getUint32(layout.unique, true),
      nextBlock: String(counterAt(view, layout, layout.nextBlock)),
      nextPage: String(counterAt(view, layout, layout.nextPage)),
    },
    amapValid,
  };
}

/** The verdict in the words that people are shown. */
export function healthWords(health: Pick<StoreHealth, 'verdict'>): string {
  switch (health.verdict) {
    case 'clean':
      return 'clean';
    case 'needs-repair':
      return 'needs repair (scanpst)';
    case 'not-a-store':
      return 'not a PST';
  }
}

/**
 * The header's counters, length and checksums as one short string, or null where the bytes are not the header of a
 * known store. Give it what `parseStoreHeader` gets.
 *
 * Two marks that differ prove that the store changed: dwUnique is modified with every change of the header ([MS-PST]
 * 2.2.2.6). Two that agree are a hint and no proof, as nothing promises that Outlook writes the header together with the
 * pages it speaks of: take size and time into account too.
 */
export function changeMark(bytes: Uint8Array): string | null {
  const view = viewOf(bytes);
  if (!hasMagic(view) || view.byteLength < CRC_PARTIAL_END) return null;
  const version = view.getUint16(10, true);
  const layout = VERSIONS.get(version)?.layout;
  if (layout === undefined || view.byteLength < layout.headerBytes) return null;
  const parts: (number | bigint)[] = [
    version,
    view.getUint32(layout.unique, true),
    counterAt(view, layout, layout.nextBlock),
    counterAt(view, layout, layout.nextPage),
    counterAt(view, layout, layout.fileEof),
    view.getUint32(CRC_PARTIAL, true),
  ];
  if (layout.crcFull !== null) parts.push(view.getUint32(layout.crcFull, true));
  return parts.map((part) => part.toString(16)).join('-');
}

const CHECKSUM_FAILS = "The header's checksum does not match.";

const NOTHING_READ = { format: null, client: null, counters: null, amapValid: null };

function notAStore(reason: string): StoreHealth {
  return { ...NOTHING_READ, verdict: 'not-a-store', reasons: [reason] };
}

function cutShort(format: StoreFormat | null, client: StoreHealth['client']): StoreHealth {
  return {
    ...NOTHING_READ,
    verdict: 'needs-repair',
    format,
    client,
    reasons: ['The file ends inside its header.'],
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hasMagic(view: DataView): boolean {
  return view.byteLength >= 4 && view.getUint32(0, true) === MAGIC;
}

function counterAt(view: DataView, layout: Layout, offset: number): bigint {
  return layout.counterBytes === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true));
}

/** [MS-PST] 5.3 in the usual terms: the reflected CRC-32 (0xEDB88320), begun with 0 and not inverted at the end. */
function checksum(bytes: Uint8Array, end: number): number {
  let crc = 0;
  for (let at = CRC_START; at < end; at++) crc = CRC_TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
