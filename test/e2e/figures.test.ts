// Figures told to people are what crossed the line, never the size of the store.
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeMailFile } from '../support/mail-file.ts';
import { mailferryOk, removeServer, serverAndDevice } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

test('D2: a store that was renamed or copied unchanged says what crossed the line for it', async () => {
  const root = tempDir();
  const folder = join(root, 'mail');
  mkdirSync(folder);
  const store = join(folder, 'old.pst');
  makeMailFile(store, 6_000_000, 3);
  const { size } = statSync(store);
  const { server, state } = await serverAndDevice(root);
  onTestFinished(() => removeServer(server));
  const backup = (path: string) =>
    mailferryOk('backup', path, '--wait', '--snapshot', 'live', '--state', state, '--json');

  const [first] = (await backup(store)).json.versions;
  expect(first.sent).toBeGreaterThan(size / 20);

  const renamed = join(folder, 'new.pst');
  renameSync(store, renamed);
  const [second] = (await backup(renamed)).json.versions;
  // The list of its blocks, some 45 bytes for each 64 KiB, and nothing of its content.
  expect(second.sent).toBeGreaterThan(0);
  expect(second.sent).toBeLessThan(20_000);
  expect(second.size).toBe(size);
});
