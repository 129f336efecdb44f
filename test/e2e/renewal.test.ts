// A device whose credential is refused gets a new one, and a new machine takes the place of a lost one: neither sends anything twice.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { enlarge, lacksSmallDisk, smallDisk } from '../support/client/small-disk.ts';
import {
  enrol,
  mailferry,
  mailferryOk,
  type RunningServer,
  serverAndDevice,
  startServer,
  stop,
} from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

let server: RunningServer | undefined;
afterEach(async () => {
  if (server) await stop(server);
});

const BYTES = 20_000_000;

it('renews the credential of a device, by a token made for it and no other', {
  timeout: 120_000,
}, async () => {
  const root = tempDir();
  const made = await serverAndDevice(root);
  server = made.server;
  const { data, state } = made;
  const store = join(root, 'mail.pst');
  await writeFile(store, randomBytes(BYTES));
  const backup = (at: string) =>
    mailferry('backup', store, '--wait', '--snapshot', 'live', '--state', at, '--json').ended;
  const device = JSON.parse(await readFile(join(state, 'identity.json'), 'utf8'));
  expect((await backup(state)).json.versions).toHaveLength(1);

  const tokenFor = async (id: string): Promise<string> =>
    (await mailferryOk('server', 'token', 'create', '--renew', id, '--data', data, '--json')).json.token;
  const enroll = (at: string, token: string, ...more: string[]) =>
    mailferry('enroll', '--token', token, '--state', at, '--json', ...more).ended;

  const unbound = (await mailferryOk('server', 'token', 'create', '--data', data, '--json')).json.token;
  expect((await enroll(state, unbound, '--renew')).code).not.toBe(0);
  expect((await backup(state)).json).toMatchObject({ unchanged: 1, failed: [] });

  const renewed = await enroll(state, await tokenFor(device.device.slice(0, 10)), '--renew');
  expect(renewed.json).toMatchObject({ device: device.device });
  const after = JSON.parse(await readFile(join(state, 'identity.json'), 'utf8'));
  const { credential, ...kept } = device;
  expect(after).toMatchObject(kept);
  expect(after.credential).not.toBe(credential);
  const changed = await readFile(store);
  changed.fill(1, 5_000_000, 5_100_000);
  await writeFile(store, changed);
  const [version] = (await backup(state)).json.versions;
  expect(version.sent).toBeLessThan(BYTES / 100);

  // A new machine: nothing of the old one is left but the mail and what the operator knows.
  const other = join(root, 'other');
  const joined = await enroll(other, await tokenFor(device.device), '--server', server.url);
  expect(joined.json).toMatchObject({ device: device.device });
  changed.fill(2, 9_000_000, 9_100_000);
  await writeFile(store, changed);
  const [learnt] = (await backup(other)).json.versions;
  expect(learnt.sent).toBeLessThan(BYTES / 100);
  const to = join(root, 'restored.pst');
  await mailferryOk('restore', store, '--to', to, '--state', other);
  expect((await readFile(to)).equals(changed)).toBe(true);

  // And the old one is let in no more.
  changed.fill(3, 0, 100_000);
  await writeFile(store, changed);
  for (const _ of ['queued now', 'queued before']) {
    const refused = await backup(state);
    expect(refused.code).toBe(12);
    expect(refused.json).toMatchObject({ versions: [], failed: [{ path: store, code: 'unauthorized' }] });
  }

  // Until it is renewed while its agent runs: what waited goes on by itself.
  const agent = mailferry('agent', '--snapshot', 'live', '--state', state);
  let heard = '';
  for (const stream of [agent.child.stdout, agent.child.stderr])
    stream?.on('data', (text) => (heard += text));
  await vi.waitFor(() => expect(heard).toContain('--renew'), { timeout: 30_000 });
  expect((await enroll(state, await tokenFor(device.device), '--renew')).code).toBe(0);
  await vi.waitFor(() => expect(heard).toContain('Receipt for'), { timeout: 90_000 });
  await stop(agent);

  expect((await enroll(state, 'x', '--renew', '--server', server.url)).code).toBe(2);
  const twice = await enroll(state, 'x', '--server', server.url);
  expect(twice.stdout + twice.stderr).toContain('--renew');
  await writeFile(join(state, 'identity.json'), 'rotten');
  expect((await enroll(state, await tokenFor(device.device), '--server', server.url)).code).toBe(0);
  expect((await readdir(state)).filter((name) => name.startsWith('identity.json.unreadable'))).toHaveLength(
    1,
  );
  expect((await backup(state)).json).toMatchObject({ failed: [] });
});

it('keeps a half-sent pack where it is: after the renewal only the rest of it is sent', {
  timeout: 120_000,
}, async () => {
  const root = tempDir();
  const [data, state] = [join(root, 'data'), join(root, 'state')];
  server = await startServer(data);
  const proxy = await ChaosProxy.start(server.port);
  onTestFinished(() => proxy.close());
  const { device } = await enrol(data, proxy.url, state);
  const store = join(root, 'mail.pst');
  await writeFile(store, randomBytes(BYTES));
  const backup = () =>
    mailferry('backup', store, '--wait', '--snapshot', 'live', '--state', state, '--json').ended;
  const uploads = () => {
    const db = new Database(join(state, 'device.db'), { readonly: true });
    try {
      return db.prepare('SELECT id, url FROM packs WHERE url IS NOT NULL ORDER BY id').all();
    } finally {
      db.close();
    }
  };
  proxy.set({ rate: 4_000_000 });
  const first = backup();
  await vi.waitFor(() => expect(proxy.counted.up).toBeGreaterThan(8_000_000), { timeout: 60_000 });
  await mailferryOk('server', 'device', 'revoke', device, '--data', data);
  proxy.cut();
  proxy.set({});
  expect(await first).toMatchObject({ code: 12, json: { failed: [{ code: 'unauthorized' }] } });
  const half = uploads();
  expect(half).not.toEqual([]);
  const before = proxy.counted.up;
  const { json } = await mailferryOk(
    'server',
    'token',
    'create',
    '--renew',
    device,
    '--data',
    data,
    '--json',
  );
  await mailferryOk('enroll', '--renew', '--token', json.token, '--state', state);
  expect(uploads()).toEqual(half);
  // What was queued goes first, and then the store is as the server has it.
  expect((await backup()).json).toMatchObject({ unchanged: 1, failed: [], queue: { packs: 0 } });
  const to = join(root, 'restored.pst');
  await mailferryOk('restore', store, '--to', to, '--state', state);
  expect((await readFile(to)).equals(await readFile(store))).toBe(true);
  expect(proxy.counted.up - before).toBeLessThan(BYTES - 6_000_000);
});

it('asks for a token of one use, for a device that there is', { timeout: 60_000 }, async () => {
  const made = await serverAndDevice(tempDir());
  server = made.server;
  const token = (...words: string[]) =>
    mailferry('server', 'token', 'create', '--data', made.data, '--json', ...words).ended;
  expect((await token('--renew', 'nobody')).code).not.toBe(0);
  expect((await token('--renew', '0'.repeat(32), '--uses', '2')).code).not.toBe(0);
  expect((await token('--uses', '2')).json.token).toMatch(/^[\w-]{43}$/);
});

it('spends no token where the state can’t be kept', { timeout: 60_000 }, async () => {
  const root = tempDir();
  const data = join(root, 'data');
  server = await startServer(data);
  const { token } = (await mailferryOk('server', 'token', 'create', '--data', data, '--json')).json;
  await writeFile(join(root, 'file'), '');
  const enroll = (state: string) =>
    mailferry('enroll', '--server', server!.url, '--token', token, '--state', state, '--json').ended;
  const refused = await enroll(join(root, 'file', 'state'));
  expect(refused.code).toBe(1);
  expect(refused.json.error).toMatchObject({ code: 'state_unusable' });
  expect((await enroll(join(root, 'state'))).code).toBe(0);
  expect((await readdir(join(root, 'state'))).sort()).toEqual(['device.db', 'identity.json']);
});

const lacking = lacksSmallDisk();
it.skipIf(lacking)(
  `spends no token where there is no room for the state${lacking ? ` (skipped: ${lacking})` : ''}`,
  { timeout: 60_000 },
  async () => {
    const root = tempDir();
    const data = join(root, 'data');
    server = await startServer(data);
    const token = async (...more: string[]) =>
      (await mailferryOk('server', 'token', 'create', '--data', data, '--json', ...more)).json.token;
    const disk = smallDisk(root, 16_384);
    const enroll = (...words: string[]) => mailferry('enroll', '--state', disk, '--json', ...words).ended;
    const full = { code: 1, json: { error: { code: 'staging_full' } } };

    const first = await token();
    for (const bytes of [16_384, 65_536]) {
      enlarge(disk, bytes);
      expect(await enroll('--server', server.url, '--token', first)).toMatchObject(full);
      expect(await readdir(disk)).toEqual([]);
    }
    enlarge(disk, 1_048_576);
    const enrolled = await enroll('--server', server.url, '--token', first);
    expect(enrolled).toMatchObject({ code: 0 });

    const filler = join(disk, 'filler');
    await writeFile(filler, randomBytes(1_048_576)).catch(() => {});
    const second = await token('--renew', enrolled.json.device);
    expect(await enroll('--renew', '--token', second)).toMatchObject(full);
    expect((await readdir(disk)).sort()).toEqual(['device.db', 'filler', 'identity.json']);
    await rm(filler);
    expect(await enroll('--renew', '--token', second)).toMatchObject({ code: 0 });
  },
);
