// Which codec packs are written in: what the server said last that it reads, and brotli where it says nothing.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CODECS } from '../../shared/pack.ts';
import { framesOf } from '../shared/pack-file.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { enrol, mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPacks } from '../support/vault-packs.ts';

/** Passes everything on to the server at `port`, and while `strips` returns true keeps what it says of codecs to itself. */
async function proxyTo(port: number, strips: () => boolean): Promise<string> {
  const proxy = createServer((incoming, answer) => {
    const { method, url, headers } = incoming;
    const passed = request({ port, method, path: url, headers }, (response) => {
      const told = { ...response.headers };
      if (strips()) delete told['mailferry-codecs'];
      answer.writeHead(response.statusCode ?? 502, told);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/** The codecs of the frames in the packs that were not there before. */
function codecsOf(data: string, known: Set<string>): number[] {
  const codecs = new Set<number>();
  for (const path of vaultPacks(data)) {
    if (known.has(path)) continue;
    known.add(path);
    for (const { codec } of framesOf(readFileSync(path))) codecs.add(codec);
  }
  codecs.delete(CODECS.stored);
  return [...codecs];
}

/** A day's work that can be compressed: text of its own in ten places. */
function writeLetters(file: string, day: number): void {
  const descriptor = openSync(file, 'r+');
  for (let letter = 0; letter < 10; letter++) {
    const text = Buffer.alloc(20_000, `On day ${day} this was letter ${letter} of ten. `);
    writeSync(descriptor, text, 0, text.length, 1_000_000 * (letter + 1) + 7 * day);
  }
  closeSync(descriptor);
}

async function place() {
  const root = tempDir();
  const [data, state, file] = [join(root, 'data'), join(root, 'state'), join(root, 'mail.pst')];
  const server = await startServer(data);
  onTestFinished(async () => void (await stop(server)));
  const backup = () =>
    mailferryOk('backup', file, '--wait', '--snapshot', 'live', '--state', state, '--json');
  const restored = async () => {
    const to = tempDir();
    await mailferryOk('restore', file, '--to', join(to, 'mail.pst'), '--state', state, '--json');
    return sha256Of(join(to, 'mail.pst'));
  };
  return { server, data, state, file, backup, restored };
}

test('zstd from the first backup on where the server reads it, bulk and day, and all comes back', async () => {
  const { server, data, state, file, backup, restored } = await place();
  await enrol(data, server.url, state);
  const known = new Set<string>();
  makeMailFile(file, 80_000_000, 1);
  await backup();
  expect(codecsOf(data, known)).toEqual([CODECS.zstd]);
  writeLetters(file, 2);
  await backup();
  expect(codecsOf(data, known)).toEqual([CODECS.zstd]);
  expect(await restored()).toBe(await sha256Of(file));
});

test('brotli for a server that does not say what it reads; zstd once it does, and brotli again when it no longer does', async () => {
  const { server, data, state, file, backup, restored } = await place();
  let strips = true;
  await enrol(data, await proxyTo(server.port, () => strips), state);
  const known = new Set<string>();
  const take = async (day: number) => {
    writeLetters(file, day);
    await backup();
    return codecsOf(data, known);
  };
  makeMailFile(file, 70_000_000, 3);
  await backup();
  expect(codecsOf(data, known)).toEqual([CODECS.brotli]);
  expect(await take(4)).toEqual([CODECS.brotli]);
  strips = false;
  // What the answer to this one says counts for the next, in another process.
  await take(5);
  expect(await take(6)).toEqual([CODECS.zstd]);
  strips = true;
  await take(7);
  expect(await take(8)).toEqual([CODECS.brotli]);
  expect(await restored()).toBe(await sha256Of(file));
});

test('each answer to a device says what the server reads', async () => {
  const { server, data, state } = await place();
  await enrol(data, server.url, state);
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ token: json.token, name: 'by hand' });
  const enrolled = await fetch(`${server.url}/v1/devices`, { method: 'POST', headers, body });
  expect(enrolled.headers.get('mailferry-codecs')).toBe('0,1,2');
  const { credential } = (await enrolled.json()) as { credential: string };
  const list = await fetch(`${server.url}/v1/versions`, {
    headers: { authorization: `Bearer ${credential}` },
  });
  expect(list.status).toBe(200);
  expect(list.headers.get('mailferry-codecs')).toBe('0,1,2');
});
