// What a server holds, as one hash: every row of its catalogue and every byte of the files in its vaults. Two of them tell whether anything changed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const TABLES = ['tokens', 'devices', 'uploads', 'packs', 'map_pages', 'versions', 'receipts'];

export function stateDigest(directory: string): string {
  const hash = createHash('sha256');
  const db = new Database(join(directory, 'catalogue.db'), { readonly: true });
  try {
    for (const table of TABLES) {
      for (const row of db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).raw().iterate()) {
        hash.update(`${table}${JSON.stringify(row)}\n`);
      }
    }
  } finally {
    db.close();
  }
  const vaults = join(directory, 'vaults');
  const files = readdirSync(vaults, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) {
    const bytes = readFileSync(file);
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}
