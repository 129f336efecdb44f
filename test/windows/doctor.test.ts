// The doctor as Windows runs it, under Wine: each thing it looks at on a machine that is right, and on one that is not.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Finding } from '../../client/doctor/finding.ts';
import { mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { named } from '../support/programs.ts';
import { WindowsMachine } from './shadow-copies.ts';
import { lacksWine } from './wine.ts';

const reason = lacksWine();
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

describe.skipIf(reason)(named('the doctor on Windows (Wine, a stand-in for PowerShell)', reason), () => {
  let windows: WindowsMachine;
  let server: RunningServer;

  beforeAll(async () => {
    windows = await WindowsMachine.start(['Users', 'state']);
    const data = join(windows.wine.drive, 'server');
    server = await startServer(data);
    const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
    windows.wine.write('C:\\users\\root\\Documents\\Outlook Files\\Żółć 邮件.pst', 'not a store');
    const enrolled = await windows.start(['enroll', '--server', server.url], { MAILFERRY_TOKEN: json.token })
      .ended;
    expect(enrolled).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    if (server) await stop(server);
    windows?.close();
  });

  async function doctor() {
    windows.host.asked.length = 0;
    const { code, json } = await windows.run('doctor');
    const findings = json.findings as Finding[];
    // Whatever is wrong comes with what to do about it.
    for (const { state, said, todo } of findings) {
      expect(said).toMatch(/^[^\n]+\.$/);
      if (state === 'failed' || state === 'warning') expect(todo).toMatch(/^[^\n]+\.$/);
    }
    return { code, states: findings.map(({ check, state }) => [check, state]), findings };
  }

  test('a machine that is right: a shadow copy made, read and deleted, and every check said', async () => {
    const { code, states } = await doctor();
    expect(states).toEqual([
      ['settings', 'ok'],
      ['name', 'ok'],
      ['connection', 'ok'],
      ['server', 'ok'],
      ['key', 'ok'],
      ['device', 'ok'],
      ['clock', 'ok'],
      ['interim', 'ok'],
      // Wine's whoami.exe tells nobody's rights.
      ['rights', 'skipped'],
      ['powershell', 'ok'],
      ['volume', 'ok'],
      ['mail', 'ok'],
      ['snapshot', 'ok'],
      ['staging', 'ok'],
      ['service', 'warning'],
    ]);
    expect(code).toBe(0);
    expect(windows.host.count('create')).toBe(1);
    expect(windows.host.deleted).toHaveLength(1);
    expect(windows.host.shadows).toEqual([]);
  });

  test('no room for shadow copies, and a deletion that is blocked: it fails, and says which', async () => {
    windows.host.fault('create', (asked, host) =>
      host.answer(asked, { returnValue: 6, outlook: false, id: null, device: null }),
    );
    const full = await doctor();
    expect(full.code).toBe(1);
    expect(full.findings).toContainEqual(
      expect.objectContaining({
        check: 'snapshot',
        state: 'failed',
        said: expect.stringMatching(/no room for a shadow copy of C:/),
      }),
    );
    windows.host.fault('delete', (asked, host) => host.problem(asked, 'blocked'));
    const blocked = await doctor();
    expect(blocked.code).toBe(1);
    expect(blocked.findings).toContainEqual(
      expect.objectContaining({
        check: 'snapshot',
        state: 'failed',
        said: expect.stringContaining('could not delete the shadow copy'),
      }),
    );
  });

  test("Wine's own PowerShell, which does nothing and claims success, is seen through by doctor and backup", async () => {
    windows.useOwnPowerShell();
    const { code, findings } = await doctor();
    const silent = {
      state: 'failed',
      said: expect.stringContaining('said nothing although it claims success'),
    };
    expect(code).toBe(1);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'powershell', ...silent }));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'snapshot', ...silent }));
    const path = 'C:\\users\\root\\Documents\\Outlook Files\\Żółć 邮件.pst';
    const backup = await windows.run('backup', path, '--wait');
    expect(backup).toMatchObject({
      code: 1,
      json: { versions: [], failed: [{ path, code: 'snapshot_failed' }] },
    });
    expect(windows.host.asked).toEqual([]);
  });
});
