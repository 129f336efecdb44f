// What answers is not the server, or sends the device elsewhere: the credential stays, the disk stays free, and nobody spins.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Answer, forge } from '../support/forger.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, serverAndDevice, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

async function deviceWithStore(size = 3_000_000) {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const store = join(root, 'mail.pst');
  makeMailFile(store, size, 9);
  const identityFile = join(state, 'identity.json');
  const identity = JSON.parse(readFileSync(identityFile, 'utf8'));
  const pointTo = (url: string) => writeFileSync(identityFile, JSON.stringify({ ...identity, server: url }));
  const backup = () =>
    mailferry('backup', store, '--wait', '--snapshot', 'live', '--state', state, '--json').ended;
  return { root, server, state, store, identity, pointTo, backup };
}

/** A server of somebody else, which keeps what it hears. */
async function stranger(): Promise<{ port: number; heard: IncomingHttpHeaders[] }> {
  const heard: IncomingHttpHeaders[] = [];
  const server = createServer((asked, reply) => {
    heard.push(asked.headers);
    reply.writeHead(204, { 'tus-resumable': '1.0.0', 'upload-offset': '3000000' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, heard };
}

describe('a Location', () => {
  const elsewhere: [string, (port: number, own: string) => string][] = [
    ['of another host', (port) => `http://127.0.0.1:${port}/v1/uploads/1`],
    ['without a scheme', (port) => `//127.0.0.1:${port}/v1/uploads/1`],
    [
      'with a name before the host',
      (port, own) => `${own.replace('://', '://x@')}@127.0.0.1:${port}/v1/uploads/1`,
    ],
    ['outside of the prefix', () => '/v1/uploads/1'],
    ['a step up', () => 'uploads/../../../v1/uploads/1'],
  ];
  for (const [name, location] of elsewhere) {
    test(`H7: ${name} gets no credential and no mail; the next good one does`, {
      timeout: 240_000,
    }, async () => {
      const { server, pointTo, backup } = await deviceWithStore(400_000);
      const { port, heard } = await stranger();
      let bad = 2;
      const forger = await forge(server.port, {
        instead: (asked, reply) => {
          // The server lies behind a prefix; what comes outside of it is somebody else's.
          if (asked.url!.startsWith('/prefix/')) {
            asked.url = asked.url!.slice('/prefix'.length);
            return false;
          }
          heard.push(asked.headers);
          reply.writeHead(404).end();
          return true;
        },
        change: (answer, asked) => {
          if (asked.method !== 'POST' || answer.status !== 201) return;
          const own = String(answer.headers.location);
          if (bad-- > 0) answer.headers.location = location(port, forger.url);
          else answer.headers.location = `/prefix${new URL(own, forger.url).pathname}`;
        },
      });
      pointTo(`${forger.url}/prefix`);
      const ended = await backup();
      expect(ended.stderr + ended.stdout).toContain('sends this device to');
      expect(heard).toEqual([]);
      expect(bad).toBeLessThan(1);
    });
  }
});

describe('a page to log in', () => {
  const pages: [string, (answer: Answer) => void][] = [
    ['a page', (answer) => void Object.assign(answer, page(200, 'text/html'))],
    [
      'a page that says to be bytes',
      (answer) => void Object.assign(answer, page(200, 'application/octet-stream')),
    ],
    [
      'an empty answer',
      (answer) => void Object.assign(answer, { ...page(200, 'text/html'), body: Buffer.alloc(0) }),
    ],
    ['206 of another range', (answer) => void Object.assign(answer, page(206, 'application/octet-stream'))],
    ['a redirect', (answer) => void Object.assign(answer, page(302, 'text/html'))],
    ['304', (answer) => void Object.assign(answer, { ...page(304, 'text/html'), body: Buffer.alloc(0) })],
  ];
  const page = (status: number, type: string) => ({
    status,
    headers: { 'content-type': type, 'content-range': 'bytes 5-9/10', location: 'http://127.0.0.1:1/login' },
    body: Buffer.from('<html>Please log in</html>'),
  });
  for (const [name, change] of pages) {
    test(`H7: ${name} does not make a restore spin, and it goes on when the line is back`, {
      timeout: 240_000,
    }, async () => {
      const { root, server, state, store, pointTo, backup } = await deviceWithStore();
      expect((await backup()).code).toBe(0);
      let login = true;
      let cut = true;
      const forger = await forge(server.port, {
        change: (answer, { url }) => {
          if (!url!.includes('/content')) return;
          // The first answer breaks in its middle; then the network wants a login.
          if (cut) answer.body = answer.body.subarray(0, 1_500_000);
          else if (login) change(answer);
          if (cut) delete answer.headers['content-length'];
          cut = false;
        },
      });
      pointTo(forger.url);
      const to = join(root, 'restored');
      const running = mailferry('restore', store, '--to', to, '--state', state, '--json');
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      const asked = forger.asked.filter((each) => each.includes('/content')).length;
      expect(asked).toBeLessThan(12);
      login = false;
      expect(await running.ended).toMatchObject({ code: 0 });
      expect(await sha256Of(to)).toBe(await sha256Of(store));
    });
  }
});

describe('an answer without end', () => {
  for (const what of ['fingerprint', 'content'] as const) {
    for (const status of [200, 206]) {
      test(`H7: a ${what} (${status}) takes no more than was announced`, { timeout: 240_000 }, async () => {
        const { root, server, state, store, pointTo, backup } = await deviceWithStore();
        expect((await backup()).code).toBe(0);
        let sent = 0;
        const { url } = await forge(server.port, {
          instead: (asked, reply) => {
            if (!asked.url!.includes(`/${what}`)) return false;
            const total = what === 'content' ? 3_000_000 : 32 * Math.ceil(3_000_000 / 65_536);
            reply.writeHead(status, {
              'content-type': 'application/octet-stream',
              ...(status === 206 ? { 'content-range': `bytes 0-${total - 1}/${total}` } : {}),
            });
            const pour = () => {
              if (reply.destroyed || reply.socket?.destroyed) return;
              sent += 65_536;
              if (reply.write(Buffer.alloc(65_536, 7))) setImmediate(pour);
              else reply.once('drain', pour);
            };
            pour();
            return true;
          },
        });
        pointTo(url);
        if (what === 'fingerprint') {
          for (const name of readdirSync(state).filter((each) => each.startsWith('device.db')))
            writeFileSync(join(state, name), '');
          expect((await backup()).code).not.toBe(0);
        } else {
          const ended = await mailferry(
            'restore',
            store,
            '--to',
            join(root, 'out'),
            '--state',
            state,
            '--json',
          ).ended;
          expect(ended.json.error.code).toBe('restore_differs');
        }
        expect(sent).toBeLessThan(40_000_000);
        const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((each) =>
          each.isFile(),
        );
        const parts = files.filter(({ name }) => /\.(fetched|mailferry-part|fingerprint)$/.test(name));
        for (const { parentPath, name } of parts)
          expect(statSync(join(parentPath, name)).size).toBeLessThan(3_000_001);
      });
    }
  }
});

describe('an address in the clear', () => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address;

  test.skipIf(!address)(
    'H6: is refused, unless it is named; then enroll, doctor and status tell it',
    {
      timeout: 240_000,
    },
    async () => {
      const root = tempDir();
      const data = join(root, 'data');
      const server = await startServer(data, 0, '--listen', `${address}:0`);
      onTestFinished(async () => void (await stop(server)));
      const url = `http://${address}:${server.port}`;
      const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
      const state = join(root, 'state');
      const words = ['enroll', '--server', url, '--token', json.token, '--state', state, '--json'];
      const refused = await mailferry(...words).ended;
      expect(refused).toMatchObject({ code: 2, json: { error: { code: 'http_refused' } } });
      const enrolled = await mailferryOk(...words, '--allow-http');
      expect(enrolled.json).toMatchObject({ server: url, encrypted: false });
      const status = await mailferryOk('status', '--state', state, '--json');
      expect(status.json.server).toEqual({ url, reachable: true, encrypted: false });
      expect((await mailferryOk('status', '--state', state)).stdout).toContain('is not encrypted');
      const doctor = await mailferry('doctor', '--state', state, '--json').ended;
      expect(doctor.json.findings).toContainEqual(
        expect.objectContaining({ check: 'encryption', state: 'warning' }),
      );
      // Nobody said so of this one: its address was changed behind our back.
      const file = join(state, 'identity.json');
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), allowHttp: false }));
      for (const command of ['status', 'versions', 'verify', 'backup']) {
        const ended = await mailferry(command, '--state', state, '--json').ended;
        expect(`${command} ${ended.json?.error?.code}`).toBe(`${command} http_refused`);
      }
      const again = await mailferry('doctor', '--state', state, '--json').ended;
      expect(again.json.findings).toContainEqual(
        expect.objectContaining({ check: 'encryption', state: 'failed' }),
      );
    },
  );
});
