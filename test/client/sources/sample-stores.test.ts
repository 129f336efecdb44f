// The sample stores are where they are said to be, and their absence is an answer and no error.
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleStores } from '../../../client/sources/sample-stores.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mailferry-samples-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('three stores, of the sizes that are documented', async () => {
  const { pst, osts } = sampleStores()!;
  const sizes = await Promise.all([pst, ...osts].map(async (file) => (await stat(file)).size));
  expect(sizes).toEqual([13_984_768, 16_818_176, 16_818_176]);
  expect([pst, ...osts].every((file) => path.isAbsolute(file))).toBe(true);
});

test('null where the package can not be resolved', async () => {
  // One that exports nothing hides whatever may be installed further up.
  const installed = path.join(folder, 'node_modules', 'pst-extractor');
  await mkdir(installed, { recursive: true });
  await writeFile(
    path.join(installed, 'package.json'),
    '{"name":"pst-extractor","version":"0.0.0","exports":{}}',
  );
  expect(sampleStores(pathToFileURL(path.join(folder, 'main.js')))).toBeNull();
});

test('null where the package came without its stores', async () => {
  const installed = path.join(folder, 'node_modules', 'pst-extractor');
  await mkdir(installed, { recursive: true });
  await writeFile(path.join(installed, 'package.json'), '{"name":"pst-extractor","version":"0.0.0"}');
  expect(sampleStores(path.join(folder, 'main.js'))).toBeNull();
});
