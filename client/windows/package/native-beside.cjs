// Stands for the package `bindings` in the single executable: a native library is loaded from beside the program.
const { existsSync } = require('node:fs');
const { dirname, join } = require('node:path');

module.exports = (name) => {
  const file = join(dirname(process.execPath), name);
  if (!existsSync(file)) throw new Error(`${file} is not there: this package was built without it.`);
  const library = { exports: {} };
  process.dlopen(library, file);
  return library.exports;
};
