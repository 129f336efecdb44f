// Finds the three real stores that ship with the pst-extractor package: only their paths, the package is never loaded.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export interface SampleStores {
  /** A PST from the Enron collection: Unicode, 13,984,768 bytes. */
  readonly pst: string;
  /** Two OSTs with pages of 4 KiB, 16,818,176 bytes each. */
  readonly osts: readonly [string, string];
}

/**
 * The absolute paths of the sample stores, or null where the package is not installed or came without them. `from`
 * is the module (path or file URL) whose node_modules folders are searched, by default this one.
 */
export function sampleStores(from: string | URL = import.meta.url): SampleStores | null {
  let manifest: string;
  try {
    const require = createRequire(from);
    manifest = require.resolve('pst-extractor/package.json');
  } catch {
    return null;
  }
  const folder = path.join(path.dirname(manifest), 'example', 'testdata');
  const pst = path.join(folder, 'enron.pst');
  const osts = [
    path.join(folder, 'pstextractortest@outlook.com.ost'),
    path.join(folder, 'pstextractortestpdf@outlook.com.ost'),
  ] as const;
  return [pst, ...osts].every((file) => existsSync(file)) ? { pst, osts } : null;
}
