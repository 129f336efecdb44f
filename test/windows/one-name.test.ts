// One store under two spellings, backed up by the built device in Windows' Node under Wine: one source, sent once, found by both.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDeviceDb } from '../../client/state/device-db.ts';
import { SourceRegistry } from '../../client/state/source-registry.ts';
import { mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { installDevice, lacksWine, Wine } from './wine.ts';

const reason = lacksWine();
const STORE = 'C:\\Mail\\a.pst';
const OTHER = 'c:\\mail\\A.PST';

describe.skipIf(reason)(named('C14: one store, two spellings under Wine', reason), () => {
  let wine: Wine;
  let main: string;
  let server: RunningServer;
  let token: string;
  const device = (...words: string[]) =>
    wine.node([main, ...words, '--state', 'C:\\state', '--json'], {
      env: { MAILFERRY_TOKEN: token },
      timeout: 100_000,
    });
  const backup = (path: string) => device('backup', path, '--wait', '--snapshot', 'live');

  beforeAll(async () => {
    wine = new Wine();
    main = installDevice(wine);
    const data = join(wine.drive, 'server');
    server = await startServer(data);
    token = (await mailferryOk('server', 'token', 'create', '--data', data, '--json')).json.token;
    expect(await device('enroll', '--server', server.url)).toMatchObject({ code: 0 });
    wine.write(STORE, 'mail'.repeat(10_000));
  }, 200_000);
  afterAll(async () => {
    if (server) await stop(server);
    wine?.close();
  });

  test('C14: C:\\Mail\\a.pst and c:\\mail\\A.PST are one source, sent once and found by every spelling', async () => {
    // The store is no real one, and is read live.
    expect((await backup(STORE)).json).toMatchObject({ versions: [{ path: STORE }], failed: [] });
    for (const other of [OTHER, 'c:/MAIL', `\\\\?\\${OTHER}`])
      expect((await backup(other)).json).toMatchObject({ versions: [], unchanged: 1, failed: [] });
    // As 0.1 left it where a profile named the store by another case: a double, of which the server holds nothing.
    const db = openDeviceDb(wine.here('C:\\state\\device.db'));
    new SourceRegistry(db).register(OTHER, 'pst');
    db.close();
    expect((await backup(OTHER)).json).toMatchObject({ versions: [], unchanged: 1, failed: [] });
    const { json } = await device('sources');
    const asked = json.sources.filter(({ state }: { state: string }) => state !== 'forgotten');
    expect(asked.map(({ path }: { path: string }) => path)).toEqual([STORE]);
    for (const other of [OTHER, 'c:/mail/a.PST', `\\\\?\\${OTHER}`])
      expect(await device('versions', other)).toMatchObject({
        code: 0,
        json: { versions: [{ path: STORE }] },
      });
    expect(await device('verify', OTHER)).toMatchObject({ code: 0, json: { verified: 1 } });
    wine.remove(STORE);
    expect(await device('restore', OTHER, '--to', 'C:\\back.pst')).toMatchObject({ code: 0 });
    expect(await device('forget', OTHER)).toMatchObject({
      code: 0,
      json: { forgotten: expect.arrayContaining([expect.objectContaining({ path: STORE })]) },
    });
  }, 200_000);
});
