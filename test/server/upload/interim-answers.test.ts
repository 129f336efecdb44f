// Whoever waits for the check of a pack hears that it is not forgotten, however long the row is: a real device, a slow row.
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';
import { uploadPack } from '../../../client/upload/upload-pack.ts';
import { ACK_MS } from '../../../shared/routes.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { buildPack } from '../support/build-pack.ts';
import type { DeviceClient } from '../support/device-client.ts';
import { TestServer } from '../support/test-server.ts';

/** How long a check takes here, as where many devices wait before it; and how long the device bears silence. */
const CHECK_MS = 2 * ACK_MS + 2_000;
const PATIENCE_MS = ACK_MS + 2_000;

const checkWorker = new URL(
  `data:text/javascript,${encodeURIComponent(
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', () => setTimeout(() => parentPort.postMessage({ raw: 70_000 }), ${CHECK_MS}));`,
  )}`,
);
const pack = buildPack([randomBytes(70_000)]);

/** Milliseconds that a device needs for the pack, in one attempt. `begun`: what was done for it before, and the URL of that. */
async function sendTo(begun: (server: TestServer, device: DeviceClient) => Promise<string | null>) {
  const slow = await TestServer.start({ checkWorker });
  const http = new HttpClient({ stallMs: PATIENCE_MS });
  onTestFinished(async () => {
    http.close();
    await slow.dispose();
  });
  const device = await slow.enrol();
  const path = join(tempDir(), 'a.pack');
  await writeFile(path, pack.bytes);
  const url = await begun(slow, device);
  const before = performance.now();
  await uploadPack({
    pack: { id: pack.id, url },
    file: { path, bytes: pack.bytes.length },
    http,
    server: new ServerClient(http, slow.url, device.credential),
    onUrl: () => {},
    onWritten: () => {},
    signal: new AbortController().signal,
  });
  expect((await device.get(`/v1/packs/${pack.id}`)).status).toBe(200);
  return performance.now() - before;
}

it('hears it on the PATCH that brought the last byte', { timeout: 40_000 }, async () => {
  expect(await sendTo(async () => null)).toBeGreaterThan(PATIENCE_MS);
});

it('hears it on the HEAD with which it comes back meanwhile', { timeout: 40_000 }, async () => {
  const ms = await sendTo(async (server, device) => {
    const created = await device.createUpload({ kind: 'pack', id: pack.id }, pack.bytes.length);
    const location = created.headers.get('location')!;
    void device.patch(location, 0, pack.bytes).catch(() => {});
    const staged = join(server.directory, 'vaults', device.device, 'uploads', location.split('/').at(-1)!);
    await expect.poll(async () => (await readFile(staged)).length).toBe(pack.bytes.length);
    return location;
  });
  expect(ms).toBeGreaterThan(PATIENCE_MS);
});
