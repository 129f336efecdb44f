// Tools that know nothing of us: a plain tus-js-client script backs a file up, cut and resumed; curl goes on with a cut restore.
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferryOk, type RunningServer, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SIZE = 40_000_000;

/** The README's script for any tus client, as it stands there, but for where the server is. */
function readmeScript(server: string, file: string, credential: string): string {
  const [, script] = /```js\n(import .*?new Upload.*?)```/s.exec(
    readFileSync(join(ROOT, 'README.md'), 'utf8'),
  )!;
  expect(script).not.toMatch(/chunkSize|retryDelays/);
  const changed = script!
    .replace('http://127.0.0.1:8787', server)
    .replace("createReadStream('mail.pst')", `createReadStream(${JSON.stringify(file)})`);
  expect(changed).toContain(server);
  expect(changed).toContain(file);
  return `const credential = ${JSON.stringify(credential)};\n${changed}`;
}

interface Way {
  readonly root: string;
  readonly state: string;
  readonly file: string;
  readonly credential: string;
  readonly server: RunningServer;
  readonly proxy: ChaosProxy;
  /** Runs the README's script against the proxy. */
  upload(): Promise<{ code: number | null; stderr: string }>;
}

async function way(): Promise<Way> {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  const proxy = await ChaosProxy.start(server.port);
  onTestFinished(async () => {
    await proxy.close();
    await stop(server);
  });
  const { credential } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  const file = join(root, 'any.pst');
  makeMailFile(file, SIZE, 9);
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const script = join(root, 'upload.mjs');
  writeFileSync(script, readmeScript(proxy.url, file, credential));
  const upload = () => start(process.execPath, [script]).ended;
  return { root, state, file, credential, server, proxy, upload };
}

describe('the README’s plain tus script', () => {
  test.each([
    ['over a good line', {}, 0],
    // A client without a window fills what the system buffers, and a cut costs that: on a line as fast as this machine it is megabytes.
    ['cut again and again, which it goes on from', { resetAfter: 9_000_000, rate: 10_000_000 }, 3],
  ])(
    'backs a file up %s',
    async (_, faults, cuts) => {
      const { proxy, upload, state, file } = await way();
      proxy.set(faults);
      const sent = await upload();
      expect([sent.code, sent.stderr]).toEqual([0, '']);
      expect(proxy.counted.cuts).toBeGreaterThanOrEqual(cuts);
      expect(proxy.counted.up).toBeLessThan(SIZE + 100_000 + proxy.counted.cuts * 1_000_000);
      const { json } = await mailferryOk('versions', '--state', state, '--json');
      const path = 'C:\\Users\\me\\mail.pst';
      expect(json.versions).toEqual([
        expect.objectContaining({ path, size: SIZE, sha256: await sha256Of(file) }),
      ]);
    },
    120_000,
  );
});

describe('curl', () => {
  const missing = lacks('curl');
  test.skipIf(missing)(
    named('that was cut in the middle of a restore goes on with -C -', missing),
    async () => {
      const { root, proxy, upload, state, file, credential } = await way();
      expect((await upload()).code).toBe(0);
      const [version] = (await mailferryOk('versions', '--state', state, '--json')).json.versions;
      const to = join(root, 'back.pst');
      const auth = ['-sS', '-f', '-H', `Authorization: Bearer ${credential}`];
      const url = `${proxy.url}/v1/versions/${version.id}/content`;
      const curl = (...words: string[]) => start('curl', [...auth, '-o', to, ...words, url]).ended;
      proxy.set({ resetDownAfter: 17_000_000 });
      const cut = await curl();
      expect(cut.code).toBeGreaterThan(0);
      expect(proxy.counted.cuts).toBe(1);
      const begun = statSync(to).size;
      expect(begun).toBeGreaterThan(1_000_000);
      expect(begun).toBeLessThan(SIZE);
      proxy.set({});
      const before = proxy.counted.down;
      const resumed = await curl('-C', '-', '-w', '%{http_code}');
      expect([resumed.code, resumed.stdout]).toEqual([0, '206']);
      expect(proxy.counted.down - before).toBeLessThan(SIZE - begun + 10_000);
      expect(await sha256Of(to)).toBe(await sha256Of(file));
    },
    120_000,
  );
});
