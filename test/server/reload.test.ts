// G5: SIGHUP opens the log anew and ends nothing.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { DeviceClient } from './support/device-client.ts';

const lacking = process.platform === 'win32' ? 'Windows has no SIGHUP' : null;

test.skipIf(lacking)(
  named(
    'G5: SIGHUP: the log file is opened anew, the server goes on, and an upload under way is not cut',
    lacking,
  ),
  async () => {
    const root = tempDir();
    const log = join(root, 'server.log');
    const server = await startServer(join(root, 'data'), 0, '--log-file', log, '--log-level', 'info');
    const { json } = await mailferryOk('server', 'token', 'create', '--data', server.data, '--json');
    const enrolled = await fetch(`${server.url}/v1/devices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: json.token, name: 'laptop' }),
    });
    const { device, credential, receiptKey } = (await enrolled.json()) as Record<string, string>;
    const client = new DeviceClient(() => server.url, device!, credential!, receiptKey!);
    const bytes = randomBytes(2_000_000);
    const location = (await client.createUpload({ kind: 'file', path: '/f' }, bytes.length)).headers.get(
      'location',
    )!;
    // In one request, of which half comes after the signal.
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(bytes.subarray(0, 1_000_000));
        await new Promise((resolve) => setTimeout(resolve, 300));
        renameSync(log, `${log}.1`);
        server.child.kill('SIGHUP');
        await expect.poll(() => existsSync(log), { timeout: 5_000 }).toBe(true);
        server.child.kill('SIGHUP');
        controller.enqueue(bytes.subarray(1_000_000));
        controller.close();
      },
    });
    const response = await fetch(server.url + location, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${credential}`,
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
      },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(response.status).toBe(204);
    expect((await client.get('/v1/versions')).json.versions).toHaveLength(1);
    expect(server.child.exitCode).toBeNull();
    const { code } = await stop(server);
    expect(code).toBe(0);
    expect(readFileSync(`${log}.1`, 'utf8')).toContain('/v1/devices');
    expect(readFileSync(log, 'utf8')).toContain('reloaded');
    const help = await mailferryOk('server', '--help');
    expect(help.stdout).toContain('SIGHUP');
  },
);
