// page-align.mjs EXE TO: writes a Windows program with its sections at page boundaries of the file. The code is the same, byte for byte;
// but Wine maps such a section, and copies one that begins elsewhere: of node.exe 90 MB at every start, half of the time it takes.
// Fields: Microsoft's PE format, "Optional Header (Image Only)" and "Section Table". A signature would not fit any more and is left out.
import { readFileSync, writeFileSync } from 'node:fs';

const PAGE = 4096;
const aligned = (bytes) => Math.ceil(bytes / PAGE) * PAGE;

const [from, to] = process.argv.slice(2);
const image = readFileSync(from);
const header = image.readUInt32LE(0x3c);
const sections = image.readUInt16LE(header + 6);
const optional = header + 24;
if (image.readUInt16LE(optional) !== 0x20b) throw new Error(`${from} is no 64-bit program.`);
const table = optional + image.readUInt16LE(header + 20);
const headers = image.readUInt32LE(optional + 60);

let end = aligned(headers);
const parts = [];
for (let entry = table; entry < table + sections * 40; entry += 40) {
  const [length, start] = [image.readUInt32LE(entry + 16), image.readUInt32LE(entry + 20)];
  if (length === 0) continue;
  parts.push({ at: end, bytes: image.subarray(start, start + length) });
  image.writeUInt32LE(aligned(length), entry + 16);
  image.writeUInt32LE(end, entry + 20);
  end += aligned(length);
}
image.writeUInt32LE(PAGE, optional + 36);
image.writeUInt32LE(aligned(headers), optional + 60);
// The certificate table, the fifth of the data directories.
image.fill(0, optional + 112 + 4 * 8, optional + 112 + 5 * 8);

const out = Buffer.alloc(end);
image.copy(out, 0, 0, headers);
for (const { at, bytes } of parts) bytes.copy(out, at);
writeFileSync(to, out);
