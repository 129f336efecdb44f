// A server below a path of somebody's web site: the device's own program, end to end, through a proxy that takes the path off or not.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  enrol,
  mailferry,
  mailferryOk,
  type RunningServer,
  startServer,
  stop,
} from '../support/mailferry.ts';

let root: string;
let server: RunningServer | undefined;
let front: Server | undefined;
/** Requests that came outside of the path. */
let outside: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  outside = [];
});
afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  if (server) await stop(server);
  server = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function behind(strips: boolean, prefix = '/mailferry'): Promise<string> {
  front = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(`${prefix}/`)) {
      outside.push(`${incoming.method} ${incoming.url} ${incoming.headers.authorization}`);
      outgoing.writeHead(404).end('another site');
      return;
    }
    const path = strips ? incoming.url!.slice(prefix.length) : incoming.url!;
    const { method, headers } = incoming;
    const onward = request(server!.url + path, { method: method!, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => front!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(front.address() as AddressInfo).port}${prefix}`;
}

test.each([
  { strips: true, slash: '' },
  { strips: false, slash: '/' },
])('F7: a device backs up and restores below a path (taken off: $strips)', async ({ strips, slash }) => {
  server = await startServer(join(root, 'data'), 0, '--base-path', '/mailferry');
  const url = (await behind(strips)) + slash;
  const state = join(root, 'state');
  await enrol(server.data, url, state);
  const store = join(root, 'mail.pst');
  const bytes = randomBytes(3_000_000);
  writeFileSync(store, bytes);
  const words = ['--state', state, '--snapshot', 'live', '--json'];
  const backup = await mailferryOk('backup', store, '--wait', ...words);
  expect(backup.json.versions).toHaveLength(1);
  const to = join(root, 'restored.pst');
  await mailferryOk('restore', store, '--to', to, '--state', state, '--json');
  expect(readFileSync(to).equals(bytes)).toBe(true);
  expect(outside).toEqual([]);
});

test('F7: a Location outside of the server’s path gets neither bytes nor credential', async () => {
  server = await startServer(join(root, 'data'));
  const url = await behind(true);
  const state = join(root, 'state');
  await enrol(server.data, url, state);
  const store = join(root, 'mail.pst');
  writeFileSync(store, randomBytes(300_000));
  const running = mailferry('backup', store, '--state', state, '--snapshot', 'live', '--json');
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  running.child.kill('SIGTERM');
  await running.ended;
  expect(outside).toEqual([]);
});
