// The main job on the three real stores: one command, a receipt for each, and nothing to do the second time.
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePaths, sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('mailferry up --once', () => {
  test('gives a receipt for each store, then finds everything unchanged', async () => {
    const state = tempDir();
    const paths = samplePaths();
    const first = await mailferryOk('up', ...paths, '--once', '--state', state, '--json');
    expect(first.json.versions).toHaveLength(3);
    for (const version of first.json.versions) {
      expect(paths).toContain(version.path);
      expect(version.sha256).toBe(await sha256Of(version.path));
      expect(JSON.parse(version.receipt.statement).version).toBe(version.id);
      expect(version.health).toBe('clean');
    }
    expect(first.json.failed).toEqual([]);
    const second = await mailferryOk('up', ...paths, '--once', '--state', state, '--json');
    expect(second.json).toMatchObject({
      versions: [],
      unchanged: 3,
      snapshots: 0,
      failed: [],
      queue: { packs: 0 },
    });
  });
});

describe('npm start -- --once', () => {
  test('on a machine without mail: the sample stores, which it names, then nothing to do', async () => {
    const [home, state] = [tempDir(), tempDir()];
    const env = { HOME: home, USERPROFILE: home, XDG_CONFIG_HOME: home, MAILFERRY_STATE: state };
    const words = ['start', '--silent', '--', '--once'];
    const npm = (...more: string[]) => start('npm', [...words, ...more], env).ended;
    const paths = samplePaths();
    const first = await npm();
    expect(first.code).toBe(0);
    expect(first.stderr).toContain('No mail store was found on this machine');
    const receipts = first.stdout.split('\n').filter((line) => line.includes('receipt'));
    // A path is shown as short as it can be used from the folder that the person is in.
    for (const path of paths)
      expect(receipts.filter((line) => line.endsWith(relative(process.cwd(), path)))).toHaveLength(1);
    expect(receipts).toHaveLength(3);
    const second = await npm('--json');
    expect(second.code).toBe(0);
    expect(second.json).toMatchObject({
      versions: [],
      unchanged: 3,
      snapshots: 0,
      failed: [],
      queue: { packs: 0 },
    });
  });
});

describe('who types only what the screen says', () => {
  test('gets a store back and compares it, with no server running before; all finds what `up` made', async () => {
    const home = tempDir();
    const env = {
      HOME: home,
      USERPROFILE: home,
      XDG_CONFIG_HOME: home,
      XDG_STATE_HOME: '',
      MAILFERRY_STATE: '',
    };
    const first = await start('npm', ['start', '--silent', '--', '--once'], env).ended;
    const typed = first.stderr.split('\n').find((line) => line.includes(' restore '))!;
    expect(typed).toMatch(/^npx mailferry restore /);
    const restored = /--to (\S+)/.exec(typed)![1]!;
    try {
      const shown = await start('sh', ['-c', typed], env).ended;
      expect(shown.code, shown.stderr).toBe(0);
      expect(shown.stdout.trim().split('\n').at(-1)).toBe('same');
      expect(await sha256Of(restored)).toBe(await sha256Of(samplePaths()[0]!));
      const again = await start('npm', ['start', '--silent', '--', '--once'], env).ended;
      const next = again.stderr.split('\n').find((line) => line.includes(' restore '))!;
      expect(next, 'a name that is free').not.toContain(`--to ${restored} `);
    } finally {
      rmSync(restored, { force: true });
    }
    const ask = async (...words: string[]) =>
      (await start(process.execPath, [PROGRAM, ...words, '--json'], env).ended).json;
    expect((await ask('versions')).versions).toHaveLength(3);
    expect((await ask('sources')).sources).toHaveLength(3);
    expect(await ask('verify')).toMatchObject({ verified: 3, failed: [] });
    const status = await ask('status');
    expect(status.sources).toHaveLength(3);
    expect(status.server.reachable).toBe(false);
  });

  test('the server of `up` keeps its address, or takes another where that is taken', async () => {
    const [state, root] = [tempDir(), tempDir()];
    const path = samplePaths()[0]!;
    const up = () => mailferryOk('up', path, '--once', '--state', state, '--json');
    const address = async () => (await mailferryOk('status', '--state', state, '--json')).json.server.url;
    await up();
    const before = await address();
    await up();
    expect(await address()).toBe(before);
    const other = createServer().listen(Number(new URL(before).port), '127.0.0.1');
    await once(other, 'listening');
    try {
      const to = join(root, 'back.pst');
      await mailferryOk('restore', path, '--to', to, '--state', state);
      expect(await sha256Of(to)).toBe(await sha256Of(path));
      expect(await address()).not.toBe(before);
    } finally {
      other.close();
    }
  });
});

describe('a server and a device', () => {
  test('restore, versions, status, sources and verify tell the same story', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const paths = samplePaths();
    const done = await mailferryOk(
      'backup',
      ...paths,
      '--wait',
      '--snapshot',
      'live',
      '--state',
      state,
      '--json',
    );
    expect(done.json.versions).toHaveLength(3);
    expect(readdirSync(join(state, 'staging'))).toEqual([]);
    for (const path of paths) {
      const to = join(root, 'restored');
      const restored = await mailferryOk(
        'restore',
        path,
        '--to',
        to,
        '--overwrite',
        '--state',
        state,
        '--json',
      );
      expect(restored.json.sha256).toBe(await sha256Of(path));
      expect(await sha256Of(to)).toBe(await sha256Of(path));
    }
    const { json } = await mailferryOk('versions', '--state', state, '--json');
    expect(json.versions.map((version: { path: string }) => version.path).sort()).toEqual([...paths].sort());
    const status = await mailferryOk('status', '--state', state, '--json');
    expect(status.json.server.reachable).toBe(true);
    expect(status.json.queue).toEqual({ packs: 0, bytes: 0 });
    expect(status.json.sources.map((source: { state: string }) => source.state)).toEqual([
      'backed-up',
      'backed-up',
      'backed-up',
    ]);
    expect((await mailferryOk('sources', '--state', state, '--json')).json.sources).toHaveLength(3);
    expect((await mailferryOk('verify', '--all', '--state', state, '--json')).json).toEqual({
      verified: 3,
      failed: [],
    });
    await stop(server);
  });

  test('a restore never writes over a file unless told', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const path = samplePaths()[0]!;
    await mailferryOk('backup', path, '--wait', '--snapshot', 'live', '--state', state);
    const to = join(root, 'there');
    await mailferryOk('restore', path, '--to', to, '--state', state);
    const again = await mailferry('restore', path, '--to', to, '--state', state, '--json').ended;
    expect(again.code).toBe(1);
    expect(again.json.error.code).toBe('target_exists');
    expect(readdirSync(root).filter((name) => name.includes('mailferry-part'))).toEqual([]);
    await stop(server);
  });

  test('a store with a damaged header is kept, told, and given back as it is', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const path = join(root, 'damaged.pst');
    const bytes = readFileSync(samplePaths()[0]!);
    // A counter of the header, which its checksum covers.
    bytes[40]! ^= 0xff;
    writeFileSync(path, bytes);
    const words = ['--state', state];
    const done = await mailferryOk('backup', path, '--wait', '--snapshot', 'live', ...words, '--json');
    expect(done.json).toMatchObject({ failed: [], versions: [{ path, health: 'needs-repair' }] });
    expect(done.json.versions[0].receipt).toBeTruthy();
    const listed = await mailferryOk('versions', path, ...words, '--json');
    expect(listed.json.versions).toMatchObject([{ path, health: 'needs-repair' }]);
    expect((await mailferryOk('versions', path, ...words)).stdout).toContain('needs repair (scanpst)');
    const to = join(root, 'restored.pst');
    await mailferryOk('restore', path, '--to', to, ...words);
    expect(readFileSync(to).equals(bytes)).toBe(true);
    expect((await mailferryOk('verify', '--all', ...words, '--json')).json.failed).toEqual([]);
    await stop(server);
  });

  test('a file that is only on a volume without snapshots is refused, not read live in silence', async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const refused = await mailferry('backup', samplePaths()[0]!, '--wait', '--state', state, '--json').ended;
    if (refused.json.failed.length > 0) expect(refused.json.failed[0].code).toBe('snapshot_unavailable');
    else expect(refused.json.versions[0].snapshot).toBe('btrfs');
    await stop(server);
  });
});

describe('the restored Enron store', () => {
  const missing = lacks('readpst');
  test.skipIf(missing)(named('lists the same folders and messages as the source', missing), async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const path = samplePaths()[0]!;
    const to = join(root, 'enron.pst');
    await mailferryOk('backup', path, '--wait', '--snapshot', 'live', '--state', state);
    await mailferryOk('restore', path, '--to', to, '--state', state);
    await stop(server);
    expect(existsSync(to)).toBe(true);
    // Names and contents of every message, by one process, so that they are numbered in order; boundaries are drawn by lot.
    const script = `mkdir -p "$2" && readpst -S -q -j 0 -o "$2" "$1" && cd "$2" && find . -type f | sort | while IFS= read -r name; do
      printf '%s ' "$name"; LC_ALL=C sed 's/LibPST-iamunique-[0-9_.-]*//g' "$name" 2>/dev/null | sha256sum; done`;
    const listing = async (store: string, out: string) => {
      const ended = await start('sh', ['-c', script, 'sh', store, out]).ended;
      expect(ended.code).toBe(0);
      return ended.stdout;
    };
    const source = await listing(path, join(root, 'of-source'));
    expect(source.split('\n').length).toBeGreaterThan(20);
    expect(await listing(to, join(root, 'of-restored'))).toBe(source);
  });
});
