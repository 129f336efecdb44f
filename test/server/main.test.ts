// The server as a process: what it prints, that one data directory has one server, and that it ends when it is told to.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPack } from './support/build-pack.ts';
import { DeviceClient } from './support/device-client.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/client/mailferry.js', import.meta.url));
let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'mailferry-main-'));
});
afterAll(() => rm(data, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly firstLine: Promise<string>;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

function run(...words: string[]): Run {
  const child = fork(PROGRAM, ['server', ...words], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let out = '';
  let err = '';
  const firstLine = new Promise<string>((resolve) => {
    child.stdout!.on('data', (text) => {
      out += text;
      if (out.includes('\n')) resolve(out.slice(0, out.indexOf('\n')));
    });
  });
  child.stderr!.on('data', (text) => {
    err += text;
  });
  // Not 'close': it never comes where it was the parent that disconnected.
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const closed = [child.stdout!, child.stderr!].map((stream) => once(stream, 'close'));
  const ended = Promise.all([exited, ...closed]).then(([code]) => ({ code, out, err }));
  return { child, firstLine, ended };
}

const serve = (...more: string[]): Run => run('--data', data, '--listen', '127.0.0.1:0', ...more);

async function enrol(url: string): Promise<DeviceClient> {
  const { out } = await run('token', 'create', '--data', data, '--json').ended;
  const response = await fetch(`${url}/v1/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: JSON.parse(out).token, name: 'laptop' }),
  });
  const { device, credential, receiptKey } = (await response.json()) as Record<string, string>;
  return new DeviceClient(() => url, device!, credential!, receiptKey!);
}

describe('mailferry server', () => {
  it('says where it listens, takes packs, makes tokens meanwhile, and keeps secrets out of its log', async () => {
    const server = serve('--json');
    const { listening: url } = JSON.parse(await server.firstLine);
    const device = await enrol(url);
    const pack = buildPack([randomBytes(100_000), new Uint8Array(3_000_000)]);
    expect((await device.sendPack(pack)).status).toBe(204);
    const broken = Buffer.from(pack.bytes);
    broken[1_000]! ^= 1;
    expect((await device.upload({ kind: 'pack', id: pack.id }, broken)).json.code).toBe('pack_refused');
    server.child.kill('SIGTERM');
    const { code, err } = await server.ended;
    expect(code).toBe(0);
    expect(err).not.toContain(device.credential);
    expect(err).toContain('/v1/uploads');
    expect((await stat(join(data, 'receipt-key.pem'))).mode & 0o077).toBe(0);
  });

  it('is alone on its data directory, and says so in a sentence', async () => {
    const first = serve('--log-level', 'silent');
    expect(await first.firstLine).toMatch(
      /^Mailferry server listens on http:\/\/127\.0\.0\.1:\d+, data in \//,
    );
    const { code, out, err } = await serve().ended;
    expect(code).not.toBe(0);
    expect(out).toBe('');
    expect(err).toContain('Another server is running on the data directory');
    first.child.kill('SIGINT');
    expect((await first.ended).code).toBe(0);
  });

  it.each([
    ['a file', 'a file lies there'],
    ['a file/below', 'a file lies there'],
    ['/proc/none', 'ENOENT'],
  ])(
    'says that no data can be kept in %s, and why',
    async (what, why) => {
      const file = join(data, 'a file');
      await writeFile(file, '');
      const directory = resolve(data, what);
      for (const words of [[], ['token', 'create']]) {
        const { child, ended } = run(...words, '--data', directory);
        const tooLong = setTimeout(() => child.kill('SIGKILL'), 10_000);
        const { code, out, err } = await ended;
        clearTimeout(tooLong);
        expect({ code, out }).toEqual({ code: 1, out: '' });
        expect(err).toContain(`The data directory ${directory} can't be made: ${why}`);
      }
    },
    30_000,
  );

  it('ends with its parent, within five seconds, whatever is under way', async () => {
    const server = serve('--json', '--log-level', 'silent');
    const { listening: url } = JSON.parse(await server.firstLine);
    const device = await enrol(url);
    const created = await device.createUpload({ kind: 'file', path: '/f' }, 1_000);
    const hanging = request(url + created.headers.get('location'), {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${device.credential}`,
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
        'content-length': '1000',
      },
    });
    hanging.on('error', () => undefined).write(new Uint8Array(10));
    const before = performance.now();
    server.child.disconnect();
    expect((await server.ended).code).toBe(0);
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it('refuses what it does not understand', async () => {
    for (const words of [
      ['--listen', 'here'],
      ['--data', data, '--bogus'],
      ['token', 'create', '--data', data, '--uses', '0'],
    ]) {
      const { code, err } = await run(...words).ended;
      expect(code).not.toBe(0);
      expect(err).not.toBe('');
    }
  });
});
