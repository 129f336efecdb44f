// Tools that know nothing of us: a plain tus-js-client script backs a file up, cut and resumed; curl goes on with a cut restore.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

/** As its documentation shows it: endpoint, headers, metadata, and the library's own retries. */
const SCRIPT = `
import { createReadStream } from 'node:fs';
import { Upload } from ${JSON.stringify(import.meta.resolve('tus-js-client'))};
const [, , endpoint, credential, file, path] = process.argv;
new Upload(createReadStream(file), {
  endpoint,
  headers: { Authorization: 'Bearer ' + credential },
  metadata: { kind: 'file', path, mtime: '2026-01-02T03:04:05Z' },
  chunkSize: 4 * 1024 * 1024,
  retryDelays: [0, 100, 200, 400],
  onError: (error) => { console.error(error); process.exit(1); },
  onSuccess: () => console.log('done'),
}).start();
`;

describe('tools off the shelf', () => {
  const missing = lacks('curl');
  test.skipIf(missing)(named('a stock tus script, cut and resumed, then curl -C -', missing), async () => {
    const root = tempDir();
    const { server, state } = await serverAndDevice(root);
    const { credential } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
    const file = join(root, 'any.pst');
    makeMailFile(file, 40_000_000, 9);
    const sum = await sha256Of(file);
    const proxy = await ChaosProxy.start(server.port);
    proxy.set({ resetAfter: 9_000_000 });
    const script = join(root, 'upload.mjs');
    writeFileSync(script, SCRIPT);
    const path = 'D:\\Mail & more\\any.pst';
    const sent = await start(process.execPath, [script, `${proxy.url}/v1/uploads`, credential, file, path])
      .ended;
    expect(sent.stderr).toBe('');
    expect(sent.stdout).toBe('done\n');
    expect(proxy.counted.cuts).toBeGreaterThan(2);
    const { json } = await mailferryOk('versions', '--state', state, '--json');
    expect(json.versions).toHaveLength(1);
    expect(json.versions[0]).toMatchObject({ path, size: 40_000_000, sha256: sum });
    const to = join(root, 'back.pst');
    const url = `${server.url}/v1/versions/${json.versions[0].id}/content`;
    const curl = (...words: string[]) =>
      start('curl', ['-sS', '-f', '-H', `Authorization: Bearer ${credential}`, '-o', to, ...words, url])
        .ended;
    expect((await curl()).code).toBe(0);
    // As a broken connection leaves it: the first part is there, the rest is not.
    truncateSync(to, 17_000_001);
    const resumed = await curl('-C', '-', '-w', '%{http_code}');
    expect(resumed.stdout).toBe('206');
    expect(await sha256Of(to)).toBe(sum);
    await proxy.close();
    await stop(server);
  });
});
