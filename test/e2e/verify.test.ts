// verify says only what it knows: a line that breaks is no damage, and damage is never taken for a line that breaks.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile } from '../support/mail-file.ts';
import { mailferry, mailferryOk, serverAndDevice, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPacks } from '../support/vault-packs.ts';

const MIB = 1_048_576;
const SIZE = 20 * MIB;

/** A server that holds a store of `size` bytes, and words that run a command as the device. */
async function storeOnServer(size: number) {
  const root = tempDir();
  const { server, data, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const source = join(root, 'mail.pst');
  makeMailFile(source, size, 7);
  await mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state);
  return { server, data, state, source };
}

/** From now on the device in `state` asks `url`. */
function pointTo(state: string, url: string): void {
  const file = join(state, 'identity.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), server: url }));
}

async function lineTo(port: number, state: string): Promise<ChaosProxy> {
  const line = await ChaosProxy.start(port);
  onTestFinished(() => line.close());
  pointTo(state, line.url);
  return line;
}

/** In front of the server on `port`: what `answer` does not answer goes on to it. */
async function between(
  port: number,
  answer: (...of: Parameters<RequestListener>) => boolean,
): Promise<string> {
  const server = createServer((asked, reply) => {
    if (answer(asked, reply)) return;
    const { method, url, headers } = asked;
    const onwards = request({ host: '127.0.0.1', port, method, path: url, headers }, (answered) => {
      reply.writeHead(answered.statusCode!, answered.headers);
      answered.pipe(reply);
    });
    onwards.on('error', () => reply.destroy());
    asked.pipe(onwards);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('verify', () => {
  test('I4: goes on where the line was cut, every 2 MB of a 20 MB store', { timeout: 180_000 }, async () => {
    const { server, state, source } = await storeOnServer(SIZE);
    const line = await lineTo(server.port, state);
    line.set({ resetDownAfter: 2_000_000 });
    const json = await mailferryOk('verify', source, '--state', state, '--json');
    expect(json.json).toEqual({ verified: 1, failed: [] });
    const { cuts, down } = line.counted;
    expect(cuts).toBeGreaterThanOrEqual(9);
    expect(down).toBeGreaterThanOrEqual(SIZE);
    expect(down).toBeLessThanOrEqual(SIZE + cuts * MIB);
    const text = await mailferryOk('verify', source, '--state', state);
    expect(text.stdout).toContain('verified: 1 of 1 versions restore byte for byte');
    expect(text.stdout + text.stderr).not.toMatch(/damage/i);
  });

  test('I4: a line that goes down for good is unreachable, and nothing is called damaged', async () => {
    const { server, state, source } = await storeOnServer(4 * MIB);
    const line = await lineTo(server.port, state);
    for (const form of [['--json'], []]) {
      // The list comes, some of the content too, then nothing any more.
      line.set({ rateDown: 500_000 });
      const before = line.counted.down;
      const running = mailferry('verify', '--state', state, ...form);
      const watch = setInterval(() => {
        if (line.counted.down < before + MIB) return;
        clearInterval(watch);
        line.set({ refuse: true });
        line.cut();
      }, 20);
      const ended = await running.ended;
      clearInterval(watch);
      expect(ended.code).toBe(13);
      expect(ended.stdout + ended.stderr).not.toMatch(/damage/i);
      if (form.length > 0)
        expect(ended.json).toMatchObject({ verified: 0, failed: [{ path: source, code: 'unreachable' }] });
      else {
        expect(ended.stdout).toContain(`not verified: ${source}`);
        expect(ended.stdout).toContain('verified: 0 of 1 versions');
      }
    }
    // Where not even the list comes.
    const none = await mailferry('verify', '--state', state, '--json').ended;
    expect(none).toMatchObject({ code: 13, json: { error: { code: 'unreachable' } } });
    expect(none.stdout + none.stderr).not.toMatch(/damage/i);
  }, 120_000);

  test('I4: what was verified before the line went down counts, and no more', async () => {
    const { server, state, source } = await storeOnServer(2 * MIB);
    makeMailFile(source, 2 * MIB, 8);
    await mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state);
    const { json } = await mailferryOk('versions', '--state', state, '--json');
    const [newer, older] = json.versions;
    const url = await between(server.port, ({ url }, reply) => {
      if (!url!.includes(older.id)) return false;
      reply.destroy();
      return true;
    });
    pointTo(state, url);
    const ended = await mailferry('verify', '--all', '--state', state, '--json').ended;
    expect(ended.code).toBe(13);
    expect(ended.json.verified).toBe(1);
    expect(ended.json.failed).toMatchObject([{ version: older.id, code: 'unreachable' }]);
    expect(newer.id).not.toBe(older.id);
  });

  test('I4: where the rest of a long list does not come, what was verified before it is told', async () => {
    const { server, state } = await storeOnServer(MIB);
    const url = await between(server.port, ({ url, headers }, reply) => {
      if (!/^\/v1\/versions(?:\?|$)/.test(url!)) return false;
      if (url!.includes('cursor=')) {
        reply.destroy();
        return true;
      }
      fetch(server.url + url, { headers: { authorization: headers.authorization! } }).then(async (whole) => {
        reply.writeHead(200, { 'content-type': 'application/json' });
        reply.end(JSON.stringify({ ...((await whole.json()) as object), next: 'more' }));
      });
      return true;
    });
    pointTo(state, url);
    const json = await mailferry('verify', '--all', '--state', state, '--json').ended;
    expect(json).toMatchObject({
      code: 13,
      json: { verified: 1, failed: [], error: { code: 'unreachable' } },
    });
    const text = await mailferry('verify', '--all', '--state', state).ended;
    expect(text.code).toBe(13);
    expect(text.stdout).toContain('verified: 1 of 1 versions restore byte for byte; the others were not');
    expect(text.stdout + text.stderr).not.toMatch(/damage/i);
  });

  const REFUSALS: [string, number, string, number][] = [
    ['unauthorized', 401, 'unauthorized', 12],
    ['not_found', 404, 'not_found', 1],
    ['internal', 500, 'internal', 1],
  ];
  test.each(REFUSALS)(
    'I4: %s says nothing about the bytes: not verified',
    async (code, status, told, exit) => {
      const { server, state } = await storeOnServer(MIB);
      const url = await between(server.port, ({ url }, reply) => {
        if (!url!.endsWith('/content')) return false;
        reply.writeHead(status, { 'content-type': 'application/problem+json' });
        reply.end(JSON.stringify({ type: `urn:mailferry:${code}`, title: 'No.', status, code, detail: {} }));
        return true;
      });
      pointTo(state, url);
      const json = await mailferry('verify', '--state', state, '--json').ended;
      expect(json).toMatchObject({ code: exit, json: { verified: 0, failed: [{ code: told }] } });
      const text = await mailferry('verify', '--state', state).ended;
      expect(text.code).toBe(exit);
      expect(text.stdout).toContain('not verified: ');
      expect(text.stdout + text.stderr).not.toMatch(/damage/i);
    },
  );

  test.each([0.02, 0.5, 0.98])(
    'I4: a pack that rots at %s of its length is damaged: exit code 1',
    async (part) => {
      const { data, state, source } = await storeOnServer(4 * MIB);
      for (const pack of vaultPacks(data)) {
        const bytes = readFileSync(pack);
        bytes[Math.floor(bytes.length * part)]! ^= 1;
        writeFileSync(pack, bytes);
      }
      const json = await mailferry('verify', source, '--state', state, '--json').ended;
      expect(json).toMatchObject({ code: 1, json: { verified: 0, failed: [{ code: 'pack_damaged' }] } });
      const text = await mailferry('verify', source, '--state', state).ended;
      expect(text.code).toBe(1);
      expect(text.stdout).toContain(`damaged: ${source}`);
      expect(text.stdout).toContain('verified: 0 of 1 versions');
    },
    120_000,
  );
});
