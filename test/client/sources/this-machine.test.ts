// Whose folders a restore goes to, where it is LocalSystem that runs it.
import { expect, test } from 'vitest';
import { userHere } from '../../../client/sources/this-machine.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('LocalSystem has no places of its own, and restores below a folder that is named', async () => {
  const home = 'C:\\Windows\\system32\\config\\systemprofile';
  const machine = { platform: 'win32', env: { USERPROFILE: home }, home };
  const scratch = tempDir();
  await expect(userHere(machine, { scratch, toOwnPlaces: true })).rejects.toMatchObject({
    code: 'target_refused',
  });
  expect(await userHere(machine, { scratch, toOwnPlaces: false })).toMatchObject({ user: { sid: null } });
});
