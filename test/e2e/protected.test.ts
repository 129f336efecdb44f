// What is protected, and what is only said to be: on the outside of the program.
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeMailFile, samplePaths } from '../support/mail-file.ts';
import { PROGRAM, removeServer, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const DAY_MS = 86_400_000;

/** A home with a device that looks for mail in it. */
async function home({ log = false } = {}) {
  const root = tempDir();
  const folder = join(root, 'home');
  mkdirSync(folder);
  const { server, state } = await serverAndDevice(root);
  onTestFinished(() => removeServer(server));
  let serverLog = '';
  if (log)
    server.child.stderr!.on('data', (more: Buffer) => {
      serverLog += more.toString();
    });
  const env = (more: NodeJS.ProcessEnv) => ({ HOME: folder, XDG_CONFIG_HOME: folder, ...more });
  const run = (words: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    start(process.execPath, [PROGRAM, ...words, '--state', state], env(more)).ended;
  const backup = (words: readonly string[] = [], more: NodeJS.ProcessEnv = {}) =>
    run(['backup', ...words, '--wait', '--snapshot', 'live', '--json'], more);
  const json = async (command: string) => (await run([command, '--json'])).json;
  const stored = (name: string) => {
    const path = join(folder, name);
    makeMailFile(path, 300_000, name.length);
    return path;
  };
  /** Sets times of rows back by `days`. */
  const age = (column: string, days: number) => {
    const db = new Database(join(state, 'device.db'));
    const then = new Date(Date.now() - days * DAY_MS).toISOString();
    expect(
      db.prepare(`UPDATE sources SET ${column} = ? WHERE ${column} IS NOT NULL`).run(then).changes,
    ).toBeGreaterThan(0);
    db.close();
  };
  return { folder, state, env, run, backup, json, stored, age, serverSaid: () => serverLog };
}

/** What all commands say of a path. */
async function words(here: Awaited<ReturnType<typeof home>>, path: string) {
  const find = (list: { path: string }[]) => list.find((one) => one.path === path) as Record<string, unknown>;
  const { findings } = await here.json('doctor');
  return {
    status: find((await here.json('status')).sources),
    sources: find((await here.json('sources')).sources),
    doctor: findings.find(({ check }: { check: string }) => check === 'protection'),
  };
}

describe('C3: protected is said only of what has a receipt that counts', () => {
  test('never of what has none, is gone, or has not been looked at for long', async () => {
    const here = await home();
    const store = here.stored('mail.pst');
    // Queued without a receipt.
    await here.run(['backup', '--snapshot', 'live']);
    expect(await words(here, store)).toMatchObject({
      status: { protected: false, why: 'no receipt yet', lastReceiptAt: null },
      sources: { protected: false, why: 'no receipt yet' },
      doctor: { state: 'warning', said: expect.stringContaining('0 of 1 sources are protected') },
    });
    expect((await here.run(['sources'])).stdout).not.toContain('protected ');

    await here.backup();
    expect(await words(here, store)).toMatchObject({
      status: { protected: true, state: 'backed-up' },
      sources: { protected: true },
      doctor: { state: 'ok', said: '1 of 1 sources are protected.' },
    });
    expect((await here.run(['sources'])).stdout).toMatch(/^protected +pst/m);

    here.age('last_receipt_at', 12);
    expect(await words(here, store)).toMatchObject({
      status: { protected: false, state: 'stale', why: 'last receipt 12 days ago' },
      sources: { protected: false, why: 'last receipt 12 days ago' },
      doctor: { state: 'failed', said: expect.stringContaining('last receipt 12 days ago') },
    });
    // What is unchanged since its receipt counts by its last check.
    expect((await here.backup()).json).toMatchObject({ unchanged: 1, versions: [] });
    expect((await words(here, store)).status).toMatchObject({ protected: true, state: 'backed-up' });

    rmSync(store);
    expect(await words(here, store)).toMatchObject({
      status: { protected: false, why: 'gone' },
      sources: { protected: false, why: 'gone' },
      doctor: { state: 'warning', said: expect.stringContaining('gone') },
    });
  }, 120_000);

  test('an agent counts only those', async () => {
    const here = await home();
    here.stored('mail.pst');
    const agent = start(
      process.execPath,
      [PROGRAM, 'agent', '--snapshot', 'require', '--state', here.state],
      here.env({}),
    );
    let said = '';
    agent.child.stderr!.on('data', (more: Buffer) => {
      said += more.toString();
    });
    await expect.poll(() => said, { timeout: 30_000 }).toContain('0 of 1 sources are protected');
    await stop(agent);
  }, 60_000);
});

describe('C4: a store that is gone', () => {
  test('is told at once, once more when it counts as gone, and then only listed', async () => {
    const here = await home();
    const store = here.stored('old.pst');
    here.stored('mail.pst');
    await here.backup();
    rmSync(store);
    const failed = [{ path: store, code: 'source_missing' }];
    expect(await here.backup()).toMatchObject({ code: 3, json: { failed, gone: [] } });
    here.age('gone_since', 8);
    expect(await here.backup()).toMatchObject({
      code: 3,
      json: { failed: [{ path: store, message: expect.stringMatching(/counts as gone.*versions stay/) }] },
    });
    for (let again = 0; again < 2; again++)
      expect(await here.backup()).toMatchObject({
        code: 0,
        json: { failed: [], gone: [store], unchanged: 1 },
      });
    expect((await words(here, store)).status).toMatchObject({ state: 'gone', protected: false });

    // It comes back, and goes on from what the server holds.
    makeMailFile(store, 300_000, 'old.pst'.length);
    const back = await here.backup();
    expect(back).toMatchObject({ code: 0, json: { failed: [], gone: [], unchanged: 2, versions: [] } });
    appendFileSync(store, 'more');
    const { json } = await here.backup();
    expect(json.versions).toMatchObject([{ path: store }]);
    expect(json.versions[0].sent).toBeLessThan(100_000);
  }, 120_000);

  test('forget ends it; its versions stay, no search takes it up again, naming it does', async () => {
    const here = await home();
    const store = here.stored('old.pst');
    here.stored('mail.pst');
    await here.backup();
    rmSync(store);
    expect((await here.backup()).code).toBe(3);

    const forgotten = await here.run(['forget', store]);
    expect(forgotten).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/forgotten: .*old\.pst\n.*versions stay on the server/i),
    });
    expect(await here.backup()).toMatchObject({ code: 0, json: { failed: [], unchanged: 1 } });
    expect(await words(here, store)).toMatchObject({
      status: { state: 'forgotten', protected: false },
      sources: { state: 'forgotten' },
      doctor: { state: 'ok', said: '1 of 1 sources are protected.' },
    });
    const to = join(here.folder, 'restored');
    expect((await here.run(['restore', store, '--to', to])).code).toBe(0);
    expect(statSync(to).size).toBe(300_000);

    // A search finds the file, and leaves it.
    renameSync(to, store);
    expect((await here.backup()).json).toMatchObject({ unchanged: 1, versions: [], failed: [] });
    expect((await here.backup([here.folder])).json).toMatchObject({ unchanged: 1, versions: [], failed: [] });
    expect((await here.backup([store])).code).toBe(0);
    expect((await words(here, store)).status).toMatchObject({ protected: true });
  }, 120_000);

  test('forget refuses a name that is no source, and forgets nothing then', async () => {
    const here = await home();
    const store = here.stored('mail.pst');
    await here.backup();
    const refused = await here.run(['forget', store, join(here.folder, 'no.pst'), '--json']);
    expect(refused).toMatchObject({ code: 1, json: { error: { code: 'source_missing' } } });
    expect((await words(here, store)).status).toMatchObject({ protected: true });
    // A folder stands for what is below it, be it there or not.
    renameSync(here.folder, `${here.folder}-away`);
    mkdirSync(here.folder);
    expect((await here.run(['forget', here.folder, '--json'])).json).toMatchObject({
      forgotten: [{ path: store, kind: 'pst' }],
    });
  }, 60_000);

  test('exclude leaves out what is found, known and named', async () => {
    const here = await home();
    mkdirSync(join(here.folder, 'Archive'));
    const archived = here.stored('Archive/2019.pst');
    const kept = here.stored('mail.pst');
    const settings = join(here.folder, 'settings.json');
    writeFileSync(settings, JSON.stringify({ exclude: ['~/Archive/**'] }));
    expect((await here.backup([], { MAILFERRY_SETTINGS: settings })).json).toMatchObject({
      versions: [{ path: kept }],
    });
    await here.backup();
    const exclude = { MAILFERRY_EXCLUDE: '2019.*' };
    appendFileSync(archived, 'more');
    expect(await here.backup([], exclude)).toMatchObject({
      code: 0,
      json: { unchanged: 1, versions: [], failed: [] },
    });
    expect((await here.backup([archived], exclude)).code).toBe(1);
    const listed = await here.run(['sources'], exclude);
    expect(listed.stdout).toMatch(/^excluded +pst +.*2019\.pst/m);
  }, 120_000);
});

test('C6: content that changed while size and mtime were put back is taken', async () => {
  const here = await home();
  const store = join(here.folder, 'mail.pst');
  writeFileSync(store, 'one state of it');
  await here.backup();
  const { atime, mtime } = statSync(store);
  writeFileSync(store, 'another one now');
  utimesSync(store, atime, mtime);
  expect((await here.backup()).json).toMatchObject({ unchanged: 0, versions: [{ path: store }] });
  // A file whose times alone changed is read, and is no version.
  utimesSync(store, atime, new Date());
  expect((await here.backup()).json).toMatchObject({ unchanged: 1, versions: [] });
}, 60_000);

test('C12: of two paths in the settings one that is missing is told, and the other taken', async () => {
  const here = await home();
  const kept = here.stored('mail.pst');
  const stick = join(here.folder, 'stick');
  const paths = (...more: string[]) => ({ MAILFERRY_PATHS: [kept, stick, ...more].join(':') });
  expect(await here.backup([], paths())).toMatchObject({
    code: 3,
    json: { versions: [{ path: kept }], unread: [{ path: stick, text: 'it is not there' }] },
  });
  expect((await here.json('status')).unread).toEqual([{ path: stick, text: 'it is not there' }]);
  mkdirSync(stick);
  const store = here.stored('stick/more.pst');
  expect(await here.backup([], paths())).toMatchObject({
    code: 0,
    json: { unread: [], versions: [{ path: store }] },
  });

  renameSync(stick, join(here.folder, 'unplugged'));
  appendFileSync(kept, 'changed');
  expect(await here.backup([], paths())).toMatchObject({
    code: 3,
    json: { versions: [{ path: kept }], failed: [{ path: store, code: 'source_missing' }] },
  });
  // Once for each change, by an agent.
  const agent = start(
    process.execPath,
    [PROGRAM, 'agent', '--snapshot', 'live', '--state', here.state],
    here.env(paths()),
  );
  let said = '';
  agent.child.stderr!.on('data', (more: Buffer) => {
    said += more.toString();
  });
  await expect.poll(() => said, { timeout: 30_000 }).toContain('sources are protected');
  for (let look = 1; look <= 2; look++) {
    appendFileSync(kept, 'changed');
    await here.run(['wake']);
    await expect
      .poll(() => said.match(/Receipt for/g)?.length ?? 0, { timeout: 30_000 })
      .toBeGreaterThanOrEqual(look);
  }
  await stop(agent);
  expect(said.match(/more\.pst is not there/g)).toHaveLength(1);
}, 120_000);

test.each([
  ['emptied', () => Buffer.alloc(0), /empty/],
  ['noise', () => randomBytes(300_000), /does not begin as an Outlook store/],
])(
  'C7: a good store that was %s is kept as suspect, and told everywhere',
  async (_, bad, why) => {
    const here = await home({ log: true });
    const store = join(here.folder, 'mail.pst');
    copyFileSync(samplePaths()[0]!, store);
    const good = (await here.backup()).json.versions[0];
    expect(good.suspect).toBeUndefined();
    writeFileSync(store, bad());
    const { code, json } = await here.backup();
    expect(code).toBe(0);
    expect(json.versions).toMatchObject([{ path: store, suspect: expect.stringMatching(why) }]);
    const suspect = json.versions[0].id;
    expect(await words(here, store)).toMatchObject({
      status: { state: 'suspect', protected: false, why: expect.stringMatching(why) },
      sources: { state: 'suspect' },
      doctor: { state: 'failed' },
    });
    expect((await here.run(['versions'])).stdout).toMatch(/suspect/);
    expect(here.serverSaid()).toContain('suspect');

    const to = join(here.folder, 'restored');
    const plain = await here.run(['restore', store, '--to', to]);
    expect(plain.stderr).toContain(suspect);
    expect(plain.stderr).toContain(`--version ${good.id}`);
    rmSync(to);
    const told = (await here.run(['restore', store, '--to', to, '--json'])).json;
    expect(told).toMatchObject({ version: suspect, suspect: { lastGood: { version: good.id } } });
    rmSync(to);
    const back = await here.run(['restore', store, '--version', good.id, '--to', to, '--json']);
    expect(back).toMatchObject({ code: 0, stderr: '', json: { sha256: good.sha256 } });
    // Once the store is well again, all is.
    copyFileSync(to, store);
    expect((await here.backup()).json.versions[0].suspect).toBeUndefined();
    expect((await words(here, store)).status).toMatchObject({ state: 'backed-up', protected: true });
  },
  120_000,
);
