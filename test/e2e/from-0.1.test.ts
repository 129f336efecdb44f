/*
 * What 0.1 (commit 2b4f09c) left opens for ever. test/golden/v0.1 holds a server's data folder and a device's state as it wrote them:
 * three versions of /home/a/mail.pst (200,000 bytes) and one of /home/a/notes.txt.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';

const GOLDEN = fileURLToPath(new URL('../golden/v0.1', import.meta.url));
const MAIL = '/home/a/mail.pst';
const DAYS = [
  'e35051367ac43c0af4253891279d7b00cb3c76835bf95eb6128545f594dac8f6',
  'fbddeb80ec8c234b771e49cbc05bdf7fe6de04b0169c4b507f1df5ba85eaa581',
  'c05e084bbb7c029e58d2387584b69b33db3c29a3e436e66835e711de1034ddc1',
];

let root: string;
let server: RunningServer;
let state: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  const data = join(root, 'data');
  state = join(root, 'state');
  cpSync(join(GOLDEN, 'data'), data, { recursive: true });
  cpSync(join(GOLDEN, 'state'), state, { recursive: true });
  server = await startServer(data);
  const identity = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  writeFileSync(join(state, 'identity.json'), JSON.stringify({ ...identity, server: server.url }), {
    mode: 0o600,
  });
});
afterAll(async () => {
  if (server) await stop(server);
  rmSync(root, { recursive: true, force: true });
});

const cli = (...words: string[]) => mailferryOk(...words, '--state', state, '--json');

test('2.3: every version of an old vault is listed, verified by its receipt, and restored', async () => {
  const { json } = await cli('versions');
  expect(json.versions.map(({ sequence }: { sequence: number }) => sequence)).toEqual([4, 3, 2, 1]);
  expect((await cli('verify', '--all')).json).toMatchObject({ verified: 4, failed: [] });
  const mine = json.versions.filter(({ path }: { path: string }) => path === MAIL).reverse();
  for (const [day, sha256] of DAYS.entries()) {
    const to = join(root, `day-${day}`);
    expect((await cli('restore', MAIL, '--version', mine[day].id, '--to', to)).json.sha256).toBe(sha256);
    expect(await sha256Of(to)).toBe(sha256);
  }
});

test('2.3: a device of before goes on over an old vault: nothing that it has is sent again', async () => {
  const store = join(root, 'home', 'mail.pst');
  mkdirSync(join(root, 'home'));
  await cli('restore', MAIL, '--to', store);
  // The state is that of a machine whose store lies elsewhere.
  const db = new Database(join(state, 'device.db'));
  db.prepare('UPDATE sources SET path = ? WHERE path = ?').run(store, MAIL);
  db.close();
  const backup = () => cli('backup', store, '--wait', '--snapshot', 'live');
  expect((await backup()).json).toMatchObject({ versions: [], unchanged: 1, failed: [] });
  changeMailFile(store, 3, 44);
  const { json } = await backup();
  expect(json.failed).toEqual([]);
  expect(json.versions).toHaveLength(1);
  expect(json.versions[0].sent).toBeLessThan(40_000);
  const to = join(root, 'again');
  await cli('restore', store, '--to', to);
  expect(await sha256Of(to)).toBe(await sha256Of(store));
  expect((await cli('verify', '--all')).json).toMatchObject({ verified: 5, failed: [] });
});

test('2.3: an old state that was lost learns from the old vault what it holds', async () => {
  const lost = join(root, 'lost');
  mkdirSync(lost);
  cpSync(join(state, 'identity.json'), join(lost, 'identity.json'));
  const store = join(root, 'home', 'mail.pst');
  const { json } = await mailferryOk(
    'backup',
    store,
    '--wait',
    '--snapshot',
    'live',
    '--state',
    lost,
    '--json',
  );
  expect(json).toMatchObject({ failed: [] });
  for (const { sent } of json.versions) expect(sent).toBeLessThan(2_000);
});
