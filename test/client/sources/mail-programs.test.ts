// The one table of mail programs: what the agent notices is what a restore waits for, and finders take their names from it.
import { expect, test } from 'vitest';
import { assertClosed } from '../../../client/restoring/closed.ts';
import { takesOf } from '../../../client/sources/find-sources.ts';
import { MAIL_PROGRAMS } from '../../../client/sources/mail-programs.ts';
import { mailProgramsIn } from '../../../client/triggers/mail-programs.ts';

test('I2: a restore of mail waits for Windows Mail too', async () => {
  const running = async () => [{ name: 'WinMail.exe', pid: 7 }];
  await expect(assertClosed('mail-client', running)).rejects.toMatchObject({ code: 'program_running' });
  await expect(assertClosed('outlook-settings', running)).resolves.toBeUndefined();
  expect([...mailProgramsIn(await running())]).toEqual([7]);
});

test('I2: every program that has a row of its own is noticed and waited for, by each of its processes', async () => {
  const rows = takesOf('win32').filter(({ kind }) => kind === 'mail-client');
  expect(rows.length).toBeGreaterThan(5);
  for (const { id } of rows) expect(MAIL_PROGRAMS.map((program) => program.id)).toContain(id);
  for (const { processes, holds } of MAIL_PROGRAMS) {
    for (const name of processes) {
      expect(mailProgramsIn([{ name, pid: 1 }]).size).toBe(1);
      for (const kind of holds)
        await expect(assertClosed(kind, async () => [{ name: name.toUpperCase(), pid: 1 }])).rejects.toThrow(
          'is running',
        );
    }
  }
});
