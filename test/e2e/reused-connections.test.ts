// A way that resets every connection that is used a second time, as some firewalls and balancers do: everything finishes all the same.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connectProxy } from '../support/connect-proxy.ts';
import { PROGRAM, type RunningServer, removeServer, start, startOwnServer } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => removeServer(server));

/** Hands on the first request of each connection, and resets it when a second one comes. */
async function resettingFront(target: number) {
  const counted = { resets: 0, requests: 0 };
  const used = new WeakSet<object>();
  const front = http.createServer((near, answer) => {
    if (used.has(near.socket)) {
      counted.resets++;
      near.socket.resetAndDestroy();
      return;
    }
    used.add(near.socket);
    counted.requests++;
    const { method, url, headers } = near;
    const far = http.request({ port: target, host: '127.0.0.1', method, path: url, headers, agent: false });
    far.on('information', ({ statusCode, headers }) => answer.writeInformation?.(statusCode, headers));
    far.on('response', (theirs) => {
      answer.writeHead(theirs.statusCode!, theirs.headers);
      theirs.pipe(answer);
    });
    far.on('error', () => near.socket.destroy());
    near.on('error', () => far.destroy());
    near.pipe(far);
  });
  front.keepAliveTimeout = 60_000;
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  onTestFinished(() => {
    front.closeAllConnections();
    front.close();
  });
  return { url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`, counted };
}

for (const isProxied of [false, true]) {
  test(`1.4: enrol, back up, change, list, verify and restore${isProxied ? ' through an HTTP proxy' : ''}`, {
    timeout: 180_000,
  }, async () => {
    const { url, counted } = await resettingFront(server.port);
    const proxy = isProxied ? await connectProxy() : null;
    const env = proxy
      ? { http_proxy: `http://127.0.0.1:${proxy.port}`, no_proxy: '' }
      : { http_proxy: '', HTTP_PROXY: '' };
    const root = tempDir();
    const run = async (more: NodeJS.ProcessEnv, ...words: string[]) => {
      const all = [PROGRAM, ...words, '--state', join(root, 'state'), '--json'];
      const ended = await start(process.execPath, all, { ...env, ...more }).ended;
      if (ended.code !== 0) throw new Error(`${words.join(' ')}: ${ended.stdout}${ended.stderr}`);
      return ended.json;
    };
    const made = ['server', 'token', 'create', '--data', server.data, '--json'];
    const { json } = await start(process.execPath, [PROGRAM, ...made], {}).ended;
    await run({ MAILFERRY_TOKEN: json.token }, 'enroll', '--server', url);
    const stores = ['one.pst', 'two.pst', 'three.pst'].map((name) => join(root, name));
    for (const store of stores) writeFileSync(store, randomBytes(5_000_000));
    const backup = () => run({}, 'backup', ...stores, '--wait', '--snapshot', 'live');
    expect(await backup()).toMatchObject({ versions: [{}, {}, {}], failed: [] });
    for (const store of stores) {
      const bytes = readFileSync(store);
      randomBytes(40_000).copy(bytes, 1_000_000);
      writeFileSync(store, bytes);
    }
    expect(await backup()).toMatchObject({ versions: [{}, {}, {}], failed: [] });
    expect((await run({}, 'versions')).versions).toHaveLength(6);
    await run({}, 'verify', stores[0]!);
    for (const store of stores) {
      const to = `${store}.restored`;
      await run({}, 'restore', store, '--to', to);
      expect(readFileSync(to).equals(readFileSync(store))).toBe(true);
    }
    // There were such connections; and not one for each request.
    expect(counted.resets).toBeGreaterThan(0);
    expect(counted.resets).toBeLessThan(counted.requests / 2);
    if (proxy) expect(proxy.let.length).toBeGreaterThanOrEqual(counted.requests);
  });
}
