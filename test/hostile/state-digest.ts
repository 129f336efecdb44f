// What a server holds, as one hash: every row of its catalogue and every byte of the files in its vaults. Two of them tell whether anything changed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const TABLES = ['tokens', 'devices'];
const TABLES_OF_DEVICES = ['uploads', 'packs', 'map_pages', 'versions', 'receipts'];

/** `without`: the device whose rows and files are left out. */
export function stateDigest(directory: string, without: string): string {
  const hash = createHash('sha256');
  const db = new Database(join(directory, 'catalogue.db'), { readonly: true });
  try {
    const add = (table: string, where: string, ...values: string[]): void => {
      const rows = db.prepare(`SELECT * FROM ${table} ${where} ORDER BY 1, 2`).raw();
      for (const row of rows.iterate(...values)) hash.update(`${table}${JSON.stringify(row)}\n`);
    };
    for (const table of TABLES) add(table, '');
    for (const table of TABLES_OF_DEVICES) add(table, 'WHERE device != ?', without);
  } finally {
    db.close();
  }
  const vaults = join(directory, 'vaults');
  const files = readdirSync(vaults, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(vaults, without)))
    .sort();
  for (const file of files) {
    const bytes = readFileSync(file);
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}
