// Stores that Outlook opens from another machine: by a share, or by the letter of a network drive that the registry explains.
import { describe, expect, test } from 'vitest';
import { REG_BINARY, REG_SZ, type RegKey } from '../../../client/registry/reg-file.ts';
import { findSources } from '../../../client/sources/find-sources.ts';
import { isUntaken } from '../../../client/sources/finder.ts';
import { isNetworkPath } from '../../../client/sources/network-path.ts';
import { listed, machine, someUser } from '../../support/windows-machine.ts';

const user = someUser('C:\\Users\\Eva');
const profile = `${user.key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles\\Outlook`;
const wide = (text: string) => Buffer.from(`${text}\0`, 'utf16le');
const opens = (number: number, path: string): RegKey => ({
  path: `${profile}\\${String(number).padStart(32, '0')}`,
  values: [{ name: '001f6700', type: REG_BINARY, data: wide(path) }],
});
const keys: RegKey[] = [
  listed(user),
  { path: profile, values: [] },
  opens(1, 'X:\\mail\\mapped.pst'),
  opens(2, '\\\\nas\\post\\shared.pst'),
  { path: `${user.key}\\Network`, values: [] },
  {
    path: `${user.key}\\Network\\X`,
    values: [{ name: 'RemotePath', type: REG_SZ, data: wide('\\\\nas\\eva') }],
  },
];
const shares = ['\\\\nas\\eva\\mail\\mapped.pst', '\\\\nas\\post\\shared.pst'];

/** A machine of which both shares answer, which the tree of a machine does not have. */
function here() {
  const one = machine({ files: {}, keys, found: {}, leftOut: {} }, user);
  const look: typeof one.files.look = async (path, ...more) =>
    shares.includes(path)
      ? { kind: 'file', size: 9, mtimeMs: 0, word: '', id: path, owner: null }
      : one.files.look(path, ...more);
  return { ...one, files: { ...one.files, look } };
}

describe('C13: stores on other machines', () => {
  test('are told, so that a backup is a partial one', async () => {
    const { items, leftOut } = await findSources(here(), { caches: false });
    expect(items.filter(({ kind }) => kind === 'pst')).toEqual([]);
    const told = leftOut.filter(isUntaken);
    expect(told).toEqual([
      {
        path: 'X:\\mail\\mapped.pst',
        why: 'network',
        text: 'profile "Outlook" opens it on another machine (\\\\nas\\eva\\mail\\mapped.pst)',
      },
      {
        path: '\\\\nas\\post\\shared.pst',
        why: 'network',
        text: 'profile "Outlook" opens it on another machine',
      },
    ]);
  });

  test('are taken by their share where the setting says so', async () => {
    const { items, leftOut } = await findSources(here(), { caches: false, networkStores: true });
    const stores = items.filter(({ kind }) => kind === 'pst').map(({ path }) => path);
    expect(stores).toEqual(['\\\\nas\\eva\\mail\\mapped.pst', '\\\\nas\\post\\shared.pst']);
    expect(stores.every(isNetworkPath)).toBe(true);
    expect(leftOut.filter(isUntaken)).toEqual([]);
  });

  test.each([
    ['\\\\nas\\a.pst', true],
    ['\\\\?\\UNC\\nas\\a.pst', true],
    ['\\\\?\\C:\\a.pst', false],
    ['C:\\a.pst', false],
    ['/a.pst', false],
  ])('%s is a share: %s', (path, share) => {
    expect(isNetworkPath(path)).toBe(share);
  });
});
