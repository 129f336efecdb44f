// Stands in for reg.exe where hives are loaded, which Wine's can't: words are FOLDER and those of a call. What is loaded is a file in
// FOLDER, named as its key; one named KEY.held can't be unloaded. Every call is a line of FOLDER/calls.
import { appendFileSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, verb, key, ...rest] = process.argv.slice(2);
appendFileSync(join(folder, 'calls'), `${[verb, key, ...rest].join(' ')}\n`);
const place = join(folder, key.replace('HKEY_USERS\\', ''));

function run() {
  if (verb === 'query' && key === 'HKEY_USERS') {
    const keys = readdirSync(folder).filter((name) => name !== 'calls' && !name.endsWith('.held'));
    process.stdout.write(`\r\n${keys.map((name) => `HKEY_USERS\\${name}\r\n`).join('')}`);
    return 0;
  }
  if (verb === 'load' && !existsSync(place)) {
    writeFileSync(place, rest[0]);
    return 0;
  }
  if (verb === 'unload' && existsSync(place) && !existsSync(`${place}.held`)) {
    rmSync(place);
    return 0;
  }
  return 1;
}

process.exitCode = run();
