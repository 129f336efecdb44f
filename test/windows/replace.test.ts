// Restores over files that Windows replaces by no rename as it is: one that is read-only, one that a program holds open.
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { installDevice, lacksWine, Wine } from './wine.ts';

const reason = lacksWine();
const STORE = 'C:\\Mail\\a.pst';
const MAIL = 'mail'.repeat(10_000);

describe.skipIf(reason)(named('C16: what is replaced with --overwrite under Wine', reason), () => {
  let wine: Wine;
  let main: string;
  let server: RunningServer;
  const device = (...words: string[]) =>
    wine.node([main, ...words, '--state', 'C:\\state', '--json'], { timeout: 100_000 });
  const over = (path: string) => device('restore', STORE, '--to', path, '--overwrite');
  const parts = () => readdirSync(wine.here('C:\\Mail')).filter((name) => name.includes('mailferry-part'));

  beforeAll(async () => {
    wine = new Wine();
    main = installDevice(wine);
    const data = join(wine.drive, 'server');
    server = await startServer(data);
    const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
    const words = [main, 'enroll', '--server', server.url, '--state', 'C:\\state', '--json'];
    expect(await wine.node(words, { env: { MAILFERRY_TOKEN: json.token }, timeout: 100_000 })).toMatchObject({
      code: 0,
    });
    wine.write(STORE, MAIL);
    expect((await device('backup', STORE, '--wait', '--snapshot', 'live')).json).toMatchObject({
      versions: [{}],
      failed: [],
    });
  }, 200_000);
  afterAll(async () => {
    if (server) await stop(server);
    wine?.close();
  });

  test('C16: a file that is read-only is replaced, and no part stays', async () => {
    const path = 'C:\\Mail\\read-only.pst';
    wine.write(path, 'what was there');
    expect(await wine.run('attrib.exe', ['+R', path])).toMatchObject({ code: 0 });
    expect(statSync(wine.here(path)).mode & 0o222).toBe(0);
    expect(await device('restore', STORE, '--to', path)).toMatchObject({
      code: 1,
      json: { error: { code: 'target_exists' } },
    });
    expect(await over(path)).toMatchObject({ code: 0 });
    expect(readFileSync(wine.here(path), 'utf8')).toBe(MAIL);
    expect(parts()).toEqual([]);
    chmodSync(wine.here(path), 0o644);
  }, 200_000);

  test('C16: a file that a program holds is told as that, kept, and replaced when the program is closed', async () => {
    const path = 'C:\\Mail\\held.pst';
    wine.write(path, 'what was there');
    const holder = wine.start(wine.program('hold-file'), [path, '3', '600000']);
    onTestFinished(async () => {
      holder.child.kill('SIGKILL');
      await holder.ended;
    });
    await expect.poll(() => holder.stdout(), { timeout: 20_000 }).toContain('held');
    const refused = await over(path);
    expect(refused).toMatchObject({ code: 1, json: { error: { code: 'program_running' } } });
    expect(refused.json.error.message).toContain(path);
    expect(refused.json.error.message).not.toMatch(/EPERM|EBUSY|EACCES/);
    expect(refused.stdout + refused.stderr).toMatch(/close/i);
    expect(readFileSync(wine.here(path), 'utf8')).toBe('what was there');
    holder.child.kill('SIGKILL');
    await holder.ended;
    expect(await over(path)).toMatchObject({ code: 0 });
    expect(readFileSync(wine.here(path), 'utf8')).toBe(MAIL);
    expect(parts()).toEqual([]);
  }, 200_000);
});
