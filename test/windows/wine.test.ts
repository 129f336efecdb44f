// What the tests in this folder stand on: Windows' Node runs under Wine, share modes hold, shadow copy paths can be made to exist.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mailferryOk, startServer } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { installDevice, lacksWine, Wine } from './wine.ts';

const reason = lacksWine();

describe.skipIf(reason)(named('Windows programs under Wine', reason), () => {
  let wine: Wine;
  beforeAll(() => {
    wine = new Wine();
  });
  afterAll(() => wine?.close());

  test('node.exe is Windows’ own', async () => {
    const { code, stdout } = await wine.node(['-p', 'process.platform + process.version']);
    expect(stdout.trim()).toMatch(/^win32v24\./);
    expect(code).toBe(0);
  });

  test('a file that another process shares with nobody is EBUSY when opened', async () => {
    wine.write('C:\\mail\\held.pst', 'held');
    const holder = wine.start(wine.program('hold-file'), ['C:\\mail\\held.pst', '0', '60000']);
    await expect.poll(() => holder.stdout(), { timeout: 20_000 }).toContain('held');
    const look = `try { require('fs').readFileSync('C:/mail/held.pst'); console.log('read') } catch (e) { console.log(e.code) }`;
    expect((await wine.node(['-e', look])).stdout.trim()).toBe('EBUSY');
    holder.child.kill('SIGKILL');
    await holder.ended;
    expect((await wine.node(['-e', look])).stdout.trim()).toBe('read');
  });

  test('a path of a shadow copy is read', async () => {
    const folder = join(wine.globalRoot, 'Device', 'HarddiskVolumeShadowCopy7', 'mail');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'Żółć 邮件.pst'), 'frozen');
    const path = '\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy7\\mail\\Żółć 邮件.pst';
    const read = `console.log(require('fs').readFileSync(${JSON.stringify(path)}, 'utf8'))`;
    expect((await wine.node(['-e', read])).stdout.trim()).toBe('frozen');
  });

  test('the built device enrols with a server and backs a file up', async () => {
    const root = tempDir();
    const main = installDevice(wine);
    const server = await startServer(join(root, 'data'));
    try {
      const { json } = await mailferryOk('server', 'token', 'create', '--data', join(root, 'data'), '--json');
      const device = (...words: string[]) =>
        wine.node([main, ...words, '--state', 'C:\\state', '--json'], {
          env: { MAILFERRY_TOKEN: json.token },
        });
      expect(await device('enroll', '--server', server.url)).toMatchObject({ code: 0 });
      wine.write('C:\\mail\\plain.pst', 'not a store'.repeat(10_000));
      const backup = await device('backup', 'C:\\mail\\plain.pst', '--wait', '--snapshot', 'live');
      expect(backup).toMatchObject({
        code: 0,
        json: { versions: [{ path: 'C:\\mail\\plain.pst', size: 110_000 }] },
      });
    } finally {
      server.child.kill('SIGTERM');
      await server.ended;
    }
  });
});
