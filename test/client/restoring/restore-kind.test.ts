// What a restore looks at and refuses before it asks the server for a byte.
import { win32 } from 'node:path';
import { expect, test } from 'vitest';
import { lookAtPlace } from '../../../client/restoring/carry-out.ts';
import { type KindRestore, planTarget, restoreKind } from '../../../client/restoring/restore-kind.ts';
import type { SourceKind, VersionSummary } from '../../../shared/protocol.ts';
import { regFileRegistry } from '../../support/reg-file-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const KEY = 'HKEY_USERS\\S-1-5-21-1-2-3-1001';

test.each<[SourceKind, string]>([
  ['mapi-profiles', `${KEY}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run`],
  ['pst', `${KEY}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles`],
])('a registry key that is told to be %s: %s', async (kind, path) => {
  const folder = tempDir();
  const nothing = async () => {
    throw new Error('nothing is asked for');
  };
  const user = {
    name: 'Nowak',
    sid: KEY.slice('HKEY_USERS\\'.length),
    key: KEY,
    loggedOn: true,
    home: folder,
    roaming: folder,
    local: folder,
    documents: folder,
    expand: () => null,
  };
  const context = {
    server: { request: nothing },
    progress: { say: () => {}, report: () => {} },
    stop: new AbortController().signal,
    chance: () => 0,
    here: { path: win32, user, signatures: 'Signatures', isOwn: () => true },
    registry: { ...regFileRegistry(), importFrom: nothing },
    processes: { read: nothing },
    keepIn: folder,
    scratch: folder,
  } as unknown as KindRestore;
  const version = { id: 'a', path, kind, takenAt: '2026-11-24T08:00:00.000Z' } as VersionSummary;
  const options = { kind, from: undefined, into: null, overwrite: true, dryRun: false, sets: new Map() };
  expect(await restoreKind(context, [version], options)).toEqual({
    restored: [],
    left: [{ path, to: null, action: 'refused', note: expect.any(String), code: 'target_refused' }],
    kept: [],
  });
});

// Its size is that of the version, and no one can read it: as with a store that a program holds open.
test.skipIf(process.platform !== 'linux')('a file that can not be read is another one', async () => {
  const version = { size: 0, sha256: '0'.repeat(64) } as VersionSummary;
  expect(await lookAtPlace('/proc/self/mem', version)).toBe('other');
});

test.each([
  [false, false, 'write'],
  [false, true, 'write'],
  [true, false, 'exists'],
  [true, true, 'replace'],
])('to one file: something is there %s, overwrite %s: %s', (isThere, overwrite, action) => {
  const told = planTarget({ path: '/a.pst' }, { to: '/old.pst', overwrite, isThere });
  expect(told).toMatchObject({ path: '/a.pst', to: '/old.pst', action });
});
