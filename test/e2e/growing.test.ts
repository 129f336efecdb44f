// Files that change while they are read live: what is a state of them is taken, and of the rest it is told why not.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeMailFile } from '../support/mail-file.ts';
import { mailferry, mailferryOk, removeServer, serverAndDevice } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Runs a piece of JavaScript again and again, every few ms, until the test ends. */
function keepDoing(script: string): void {
  const child = spawn(process.execPath, [
    '-e',
    `const fs = require('node:fs'); setInterval(() => { ${script} }, 3);`,
  ]);
  onTestFinished(() => void child.kill('SIGKILL'));
}

async function device() {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  onTestFinished(() => removeServer(server));
  const backup = (path: string) =>
    mailferry('backup', path, '--wait', '--snapshot', 'live', '--state', state, '--json').ended;
  return { root, state, backup };
}

test('C8: of a file that only grows its beginning is taken, and said to be that', async () => {
  const { root, state, backup } = await device();
  const mbox = join(root, 'Inbox');
  writeFileSync(mbox, 'From a@b Thu Jan  1 00:00:00 1970\n'.repeat(400_000));
  keepDoing(`fs.appendFileSync(${JSON.stringify(mbox)}, 'From c@d Thu Jan  1 00:00:00 1970\\n')`);
  const { code, json, stdout } = await backup(mbox);
  expect(code).toBe(0);
  expect(json.versions).toHaveLength(1);
  expect(stdout).toMatch(/grew while it was read; its first \d+ bytes are taken/);
  const { size } = json.versions[0];
  const to = join(root, 'restored');
  await mailferryOk('restore', mbox, '--to', to, '--state', state);
  const restored = readFileSync(to);
  expect(restored.length).toBe(size);
  const begins = Buffer.alloc(size);
  const file = openSync(mbox, 'r');
  readSync(file, begins, 0, size, 0);
  closeSync(file);
  expect(restored.equals(begins)).toBe(true);
}, 60_000);

test('C8: a store that changes all the time is tried again over time, and told with its reason', async () => {
  const { root, state, backup } = await device();
  const store = join(root, 'mail.pst');
  makeMailFile(store, 6_000_000, 4);
  keepDoing(
    `const file = fs.openSync(${JSON.stringify(store)}, 'r+'); fs.writeSync(file, String(Date.now()), 5_000_000 + Date.now() % 900_000); fs.closeSync(file);`,
  );
  const began = Date.now();
  const { code, json } = await backup(store);
  expect(Date.now() - began).toBeGreaterThan(15_000);
  expect(code).not.toBe(0);
  expect(json).toMatchObject({ versions: [], failed: [{ path: store, code: 'source_changed' }] });
  const { json: status } = await mailferryOk('status', '--state', state, '--json');
  expect(status.sources).toMatchObject([
    {
      path: store,
      state: 'source_changed',
      protected: false,
      why: expect.stringContaining('changed while it was read'),
    },
  ]);
}, 120_000);
