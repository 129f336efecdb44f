// The catalogue is deleted under real processes: `server rebuild` brings every version and receipt back, and all restore.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { changeMailFile, makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, serverAndDevice, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const MIB = 1_048_576;

describe('mailferry server rebuild', () => {
  test('after the catalogue was deleted: every version restores, and the device goes on as if nothing had been', async () => {
    const root = tempDir();
    const { server, data, state } = await serverAndDevice(root);
    const sources = ['a.pst', 'b.pst'].map((name) => join(root, name));
    const backup = () =>
      mailferryOk('backup', ...sources, '--wait', '--snapshot', 'live', '--state', state, '--json');
    for (const [index, source] of sources.entries()) makeMailFile(source, 12 * MIB, index + 1);
    await backup();
    for (let day = 0; day < 3; day++) {
      for (const source of sources) changeMailFile(source, 50, 10 + day);
      await backup();
    }
    const before = (await mailferryOk('versions', '--state', state, '--json')).json.versions;
    expect(before).toHaveLength(8);

    const running = await mailferry('server', 'rebuild', '--data', data).ended;
    expect([running.code, running.stderr]).toEqual([
      11,
      expect.stringContaining('Another server is running'),
    ]);
    await stop(server);
    const healthy = await mailferry('server', 'rebuild', '--data', data).ended;
    expect([healthy.code, healthy.stderr]).toEqual([1, expect.stringContaining('--overwrite')]);
    for (const name of readdirSync(data)) if (name.startsWith('catalogue.db')) rmSync(join(data, name));
    const refused = await mailferry('server', '--data', data, '--listen', '127.0.0.1:0').ended;
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('server rebuild')]);

    const rebuilt = await mailferryOk('server', 'rebuild', '--data', data, '--json');
    expect(rebuilt.json.devices).toEqual([expect.objectContaining({ versions: 8, lost: [], trouble: [] })]);
    expect(rebuilt.stdout).toContain('"phase":"rebuild"');
    const again = await startServer(data, server.port);
    expect((await mailferryOk('versions', '--state', state, '--json')).json.versions).toEqual(before);
    for (const { id, path, sha256 } of before) {
      const to = join(root, 'restored');
      await mailferryOk('restore', path, '--version', id, '--to', to, '--overwrite', '--state', state);
      expect(await sha256Of(to)).toBe(sha256);
    }
    expect((await backup()).json).toMatchObject({ unchanged: 2, failed: [] });
    changeMailFile(sources[0]!, 50, 99);
    const next = (await backup()).json;
    expect(next.failed).toEqual([]);
    expect(next.versions[0].sent).toBeLessThan(MIB);
    await stop(again);
  }, 120_000);
});
