// Every name is data: on the server, in a list, in a download's header, on a disk, and on a terminal.
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Machine, runCli } from '../../client/cli.ts';
import { pathMistake } from '../../shared/stored-path.ts';
import { DeviceClient } from '../server/support/device-client.ts';
import { TestServer } from '../server/support/test-server.ts';
import { surroundingsHere } from '../support/client/surroundings.ts';
import { mailferry, mailferryOk, PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { HOSTILE_NAMES, LINUX_NAMES } from './names.ts';

/** Those that the server takes, and that a Linux disk can hold besides; the others are refused by it, and told by the device. */
const STORED_NAMES = HOSTILE_NAMES.filter((name) => pathMistake(name) === null);
const REFUSED_NAMES = HOSTILE_NAMES.filter((name) => pathMistake(name) !== null);
const STORED_LINUX_NAMES = LINUX_NAMES.filter((name) => pathMistake(name) === null);
const REFUSED_LINUX_NAMES = LINUX_NAMES.filter((name) => pathMistake(name) !== null);

const contentOf = (name: string): Buffer => Buffer.from(`bytes of ${JSON.stringify(name)}`);
/** What a terminal obeys or turns around. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}]/u;

it('are at least two hundred, of which a Linux disk can hold most', () => {
  expect(HOSTILE_NAMES.length).toBeGreaterThanOrEqual(200);
  expect(LINUX_NAMES.length).toBeGreaterThanOrEqual(200);
  expect(STORED_NAMES.length).toBeGreaterThanOrEqual(200);
  expect(REFUSED_NAMES.length).toBeGreaterThanOrEqual(10);
});

describe('on the server', () => {
  let server: TestServer;
  let device: DeviceClient;
  beforeAll(async () => {
    server = await TestServer.start();
    device = await server.enrol();
  });
  afterAll(() => server.dispose());

  it('each is backed up, listed and given back as it is, under names of the server alone', async () => {
    for (const name of REFUSED_NAMES) {
      const sent = await device.createUpload({ kind: 'file', path: name }, 1);
      expect([name, sent.status]).toEqual([name, 400]);
    }
    for (const name of STORED_NAMES) {
      const sent = await device.upload({ kind: 'file', path: name }, contentOf(name));
      expect([name, sent.status]).toEqual([name, 204]);
    }
    const { versions } = (await device.get('/v1/versions')).json;
    expect(versions.map((version: { path: string }) => version.path)).toEqual([...STORED_NAMES].reverse());
    for (const { id, path } of versions as { id: string; path: string }[]) {
      const listed = (await device.get(`/v1/versions?${new URLSearchParams({ path })}`)).json.versions;
      expect(listed.map((version: { id: string }) => version.id)).toEqual([id]);
      const reply = await device.get(`/v1/versions/${id}/content`);
      expect([path, reply.bytes.equals(contentOf(path))]).toEqual([path, true]);
      const header = reply.headers.get('content-disposition')!;
      expect(header).toMatch(
        /^attachment; filename="[A-Za-z0-9 ._()-]+"; filename\*=UTF-8''[A-Za-z0-9%!#$&+.^_`|~-]+$/,
      );
      expect(header.split('"')[1]).not.toMatch(/^\.{0,2}$/);
    }
    const made = readdirSync(server.directory, { recursive: true }).map(
      (file) => String(file).split('/').at(-1)!,
    );
    const own =
      /^([0-9a-f]{2}|[0-9a-f]{32}|[0-9a-f]{64}|\d{12}-[0-9a-f-]{36}\.json|device\.json|enrolling|vaults|packs|uploads|versions|scratch|(catalogue|lock)\.db(-wal|-shm|-journal)?|receipt-key\.pem)$/;
    expect(made.filter((name) => !own.test(name))).toEqual([]);
  }, 120_000);
});

describe('on Linux, through the program', () => {
  it('each is backed up, listed and restored, touches nothing else, and moves no cursor', async () => {
    const root = tempDir();
    const folder = join(root, 'in');
    const out = join(root, 'out');
    mkdirSync(folder);
    mkdirSync(out);
    for (const name of LINUX_NAMES) writeFileSync(join(folder, name), contentOf(name));
    const paths = STORED_LINUX_NAMES.map((name) => join(folder, name));
    const refused = REFUSED_LINUX_NAMES.map((name) => join(folder, name));
    const { server, state } = await serverAndDevice(root);
    const before = readdirSync(root).sort();
    const words = ['--wait', '--snapshot', 'live', '--state', state];
    const told = await mailferryOk('backup', ...words, '--', ...paths);
    expect(told.stdout.replaceAll('\n', '')).not.toMatch(UNSAFE);
    expect(told.stderr.replaceAll('\n', '')).not.toMatch(UNSAFE);
    // The others are told, one by one, and nothing of them is sent.
    const other = await mailferry('backup', ...words, '--json', '--', paths[0]!, ...refused).ended;
    expect(other.code).toBe(3);
    const untold = refused.filter(
      (path) => !JSON.stringify(other.json).includes(JSON.stringify(path).slice(1, -1)),
    );
    expect(untold).toEqual([]);
    const shown = await mailferryOk('versions', '--state', state);
    expect(shown.stdout.replaceAll('\n', '')).not.toMatch(UNSAFE);
    expect(shown.stdout.trim().split('\n')).toHaveLength(paths.length);
    const status = await mailferryOk('status', '--state', state);
    expect(status.stdout.replaceAll('\n', '')).not.toMatch(UNSAFE);
    const { json } = await mailferryOk('versions', '--state', state, '--json');
    expect(json.versions.map((version: { path: string }) => version.path).sort()).toEqual([...paths].sort());
    // Under the same names again, in another folder: the command line itself, without a new process for each.
    for (const name of STORED_LINUX_NAMES) {
      const { machine, heard } = await thisMachine(root);
      const words = ['restore', '--to', join(out, name), '--state', state, '--', join(folder, name)];
      expect([name, await runCli(words, machine)]).toEqual([name, 0]);
      expect(heard().replaceAll('\n', '')).not.toMatch(UNSAFE);
      expect([name, readFileSync(join(out, name)).equals(contentOf(name))]).toEqual([name, true]);
    }
    expect(readdirSync(out).sort()).toEqual([...STORED_LINUX_NAMES].sort());
    expect(readdirSync(folder).sort()).toEqual([...LINUX_NAMES].sort());
    expect(readdirSync(root).sort()).toEqual(before);
    await stop(server);
  }, 180_000);
});

/** What lies in a folder and below, but for `except`, and when each was last written. */
function everythingIn(folder: string, except: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => !except.some((one) => path === one || path.startsWith(`${one}/`)))
    .map((path) => `${path} ${lstatSync(path).mtimeMs}`)
    .sort();
}

interface KindResult {
  readonly restored: readonly { readonly path: string; readonly to: string }[];
  readonly left: readonly { readonly path: string; readonly action: string; readonly code?: string }[];
}

describe('on Linux, by restore --kind', () => {
  const KINDS = ['file', 'pst'];

  /** A home with a folder that names of all kinds belong to, among things that none may touch. */
  async function homeAmongOthers() {
    const root = tempDir();
    const home = join(root, 'home');
    const folder = join(home, 'mail');
    const out = join(root, 'out');
    mkdirSync(folder, { recursive: true });
    for (const other of ['x', 'passwd', 'etc/passwd', 'home/x', 'home/b']) {
      mkdirSync(dirname(join(root, other)), { recursive: true });
      writeFileSync(join(root, other), 'not to be touched');
    }
    const { server, state } = await serverAndDevice(root);
    const run = async (command: string, ...words: string[]) => {
      const all = [PROGRAM, command, '--state', state, ...words];
      const ended = await start(process.execPath, all, { HOME: home }).ended;
      // Machines get every name as it is; people see what is safe to show.
      const shown = words.includes('--json') ? ended.stderr : ended.stdout + ended.stderr;
      expect(UNSAFE.test(shown.replaceAll('\n', ''))).toBe(false);
      return ended;
    };
    const outside = () => [
      ...everythingIn(root, [folder, out, state, server.data, home]),
      ...everythingIn(home, [folder]),
      ...readdirSync(process.cwd()),
    ];
    return { folder, out, server, state, run, outside };
  }

  it('each comes back to its place under its name, and below a folder at a place of its own', async () => {
    const { folder, out, server, run, outside } = await homeAmongOthers();
    const paths = STORED_LINUX_NAMES.map((name) => join(folder, name));
    for (const name of STORED_LINUX_NAMES) writeFileSync(join(folder, name), contentOf(name));
    const before = outside();
    expect(await run('backup', '--wait', '--snapshot', 'live', '--', ...paths)).toMatchObject({ code: 0 });
    rmSync(folder, { recursive: true });
    const places: string[] = [];
    for (const kind of KINDS) {
      expect(await run('restore', '--kind', kind)).toMatchObject({ code: 0 });
      const below = await run('restore', '--kind', kind, '--to', out, '--json');
      expect(below).toMatchObject({ code: 0, json: { left: [] } });
      for (const { path, to } of (below.json as KindResult).restored) {
        places.push(to);
        const bytes = contentOf(path.slice(folder.length + 1));
        expect([path, readFileSync(to).equals(bytes)]).toEqual([path, true]);
      }
    }
    expect(readdirSync(folder).sort()).toEqual([...STORED_LINUX_NAMES].sort());
    for (const name of STORED_LINUX_NAMES)
      expect([name, readFileSync(join(folder, name)).equals(contentOf(name))]).toEqual([name, true]);
    expect(new Set(places).size).toBe(STORED_LINUX_NAMES.length);
    for (const to of places) expect(to.startsWith(`${out}/`)).toBe(true);
    expect(outside()).toEqual(before);
    await stop(server);
  }, 180_000);

  it('a server that names what was never backed up writes in the folder only, or nowhere', async () => {
    const { folder, out, server, state, run, outside } = await homeAmongOthers();
    const { device, credential, receiptKey } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
    const client = new DeviceClient(() => server.url, device, credential, receiptKey);
    const inside = STORED_NAMES.map((name) => `${folder}/${name}`);
    const elsewhere = STORED_NAMES.flatMap((name) => [name, `C:\\Users\\jan\\Documents\\${name}`]);
    for (const path of [...inside, ...elsewhere]) {
      const sent = await client.upload({ kind: 'file', path }, contentOf(path));
      expect([path, sent.status]).toEqual([path, 204]);
    }
    const before = outside();
    const restored = new Map<string, string>();
    const refused: string[] = [];
    const below = new Map<string, string>();
    for (const kind of KINDS) {
      const own = (await run('restore', '--kind', kind, '--json')).json as KindResult;
      for (const { path, to } of own.restored) restored.set(path, to);
      expect(own.left.filter(({ code }) => code !== 'target_refused')).toEqual([]);
      refused.push(...own.left.map(({ path }) => path));
      const copies = await run('restore', '--kind', kind, '--to', out, '--json');
      expect(copies).toMatchObject({ code: 0, json: { left: [] } });
      for (const { path, to } of (copies.json as KindResult).restored) below.set(path, to);
    }
    const isPlain = (name: string) => !name.split('/').some((part) => ['', '.', '..'].includes(part));
    const placed = STORED_NAMES.filter(isPlain).map((name) => `${folder}/${name}`);
    expect([...restored.keys()].sort()).toEqual([...placed].sort());
    expect(refused.sort()).toEqual([...inside, ...elsewhere].filter((path) => !restored.has(path)).sort());
    for (const [path, to] of restored) expect(to).toBe(path);
    expect([...below.keys()].sort()).toEqual([...inside, ...elsewhere].sort());
    expect(new Set(below.values()).size).toBe(below.size);
    for (const to of below.values()) expect(to.startsWith(`${out}/`)).toBe(true);
    for (const [path, to] of [...restored, ...below])
      expect([path, readFileSync(to).equals(contentOf(path))]).toEqual([path, true]);
    expect(outside()).toEqual(before);
    await stop(server);
  }, 240_000);
});

/** A machine for the command line in this process, and what it said on its streams. */
async function thisMachine(home: string): Promise<{ machine: Machine; heard: () => string }> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const surroundings = surroundingsHere();
  const machine: Machine = {
    surroundings,
    out,
    err,
    input: new PassThrough(),
    end: () => undefined,
    now: Date.now,
    env: {},
    platform: process.platform,
    home,
    hostname: 'here',
    defaultState: home,
    keeper: null,
    self: [process.execPath],
    cwd: home,
    typed: 'mailferry',
  };
  return { machine, heard: () => `${out.read() ?? ''}${err.read() ?? ''}` };
}
