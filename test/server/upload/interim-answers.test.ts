// Whoever waits for the check of a pack hears that it is not forgotten, however long the row is: a real device, a slow row.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';
import { uploadPack } from '../../../client/upload/upload-pack.ts';
import { ACK_MS } from '../../../shared/routes.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { buildPack } from '../support/build-pack.ts';
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

it('one attempt is enough for a pack whose check takes longer than the device bears silence', {
  timeout: 40_000,
}, async () => {
  const slow = await TestServer.start({ checkWorker });
  const http = new HttpClient({ stallMs: PATIENCE_MS });
  onTestFinished(async () => {
    http.close();
    await slow.dispose();
  });
  const device = await slow.enrol();
  const pack = buildPack([randomBytes(70_000)]);
  const path = join(tempDir(), 'a.pack');
  await writeFile(path, pack.bytes);
  const before = performance.now();
  await uploadPack({
    pack: { id: pack.id, url: null },
    file: { path, bytes: pack.bytes.length },
    http,
    server: new ServerClient(http, slow.url, device.credential),
    onUrl: () => {},
    onWritten: () => {},
    signal: new AbortController().signal,
  });
  expect(performance.now() - before).toBeGreaterThan(PATIENCE_MS);
  expect((await device.get(`/v1/packs/${pack.id}`)).status).toBe(200);
});
