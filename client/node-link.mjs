// First of what `npm run build` and `npm test` do: puts the Node that npm brought where npm scripts look for programs, if it is not there.
// npm 10, which Node 20 comes with, removes node_modules/.bin/node with the packages of other systems, which have a program of that
// name too. Node 20 runs this. Where npm brought no Node, there is nothing to do: node-floor.ts judges the one that is there.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const windows = process.platform === 'win32';
const name = `node-${windows ? 'win' : process.platform}-${process.arch}`;
const program = windows ? 'node.exe' : 'node';
const bin = join('node_modules', '.bin');
const link = join(bin, windows ? 'node.cmd' : 'node');
if (existsSync(join('node_modules', name, 'bin', program)) && !existsSync(link)) {
  mkdirSync(bin, { recursive: true });
  if (windows) writeFileSync(link, `@"%~dp0\\..\\${name}\\bin\\${program}" %*\r\n`);
  else symlinkSync(join('..', name, 'bin', program), link);
}
