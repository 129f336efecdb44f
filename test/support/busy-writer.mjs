// A program that keeps changing a file as Outlook does, in place and without a pause: argv FILE LOG.
// Write number n puts a block that holds n at a place that n decides; before it, n is noted in the log. So a frozen view of
// the file must equal the first file with all writes up to some n, and nothing of a later one.
import { openSync, writeSync } from 'node:fs';

const [, , path, log] = process.argv;
const file = openSync(path, 'r+');
const notes = openSync(log, 'a');
const blocks = Number(process.argv[4]);

export function blockOf(n) {
  const block = Buffer.alloc(4096);
  for (let at = 0; at < 4096; at += 8) {
    block.writeUInt32LE(n, at);
    block.writeUInt32LE(Math.imul(n + at, 2654435761) >>> 0, at + 4);
  }
  return block;
}

export function placeOf(n, count) {
  return (Math.imul(n, 2654435761) >>> 0) % count;
}

let n = Number(process.argv[5]);
function burst() {
  for (let i = 0; i < 20; i++, n++) {
    writeSync(notes, `${n}\n`);
    writeSync(file, blockOf(n), 0, 4096, placeOf(n, blocks) * 4096);
  }
  setTimeout(burst, 2);
}
burst();
