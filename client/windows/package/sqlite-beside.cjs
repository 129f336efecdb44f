// Stands for the path of better-sqlite3's library in the single executable, which can't require files: loads it from beside the program.
const { existsSync } = require('node:fs');
const { dirname, join } = require('node:path');

const file = join(dirname(process.execPath), 'better_sqlite3.node');
if (!existsSync(file)) throw new Error(`${file} is not there; install Mailferry again.`);
process.dlopen(module, file);
