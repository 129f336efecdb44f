// What is no path of this system is found by the very name that the server holds it under: keys, sets, paths of other systems.
import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SourceKind } from '../../shared/protocol.ts';
import { buildPack } from '../server/support/build-pack.ts';
import { commitOf, DeviceClient } from '../server/support/device-client.ts';
import { mailferry, mailferryOk, type RunningServer, serverAndDevice, stop } from '../support/mailferry.ts';

const ROOT = 'Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles';
const MAILDIR = '/home/a/Maildir/cur/1:2,S';

/** Each with two versions; the newer one's bytes are its name. */
const NAMES: readonly (readonly [letter: string, path: string, kind: SourceKind])[] = [
  ['I5', `HKEY_CURRENT_USER\\${ROOT}`, 'mapi-profiles'],
  ['I5', `HKEY_USERS\\S-1-5-21-1-2-3-1001\\${ROOT}\\Büro`, 'mapi-profiles'],
  ['I5', 'HKEY_LOCAL_MACHINE\\Software\\Mail', 'mapi-profiles'],
  ['I5', 'set:/em', 'file'],
  ['I5', 'set:C:\\Users\\ä\\Thunderbird\\p.default', 'file'],
  ['D3', 'C:\\Users\\ä\\mail.pst', 'pst'],
  ['D3', 'c:\\users\\b\\lower drive.pst', 'pst'],
  ['D3', '\\\\nas\\Büro\\mail.pst', 'pst'],
  ['D3', '\\\\?\\C:\\long\\mail.pst', 'pst'],
  ['D3', MAILDIR, 'mail-client'],
];

let server: RunningServer;
let state: string;
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  ({ server, state } = await serverAndDevice(root));
  const identity = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  const client = new DeviceClient(
    () => server.url,
    identity.device,
    identity.credential,
    identity.receiptKey,
  );
  for (const [, path, kind] of NAMES)
    for (const bytes of [Buffer.from(`older ${path}`), Buffer.from(path)]) {
      const pack = buildPack([bytes]);
      await client.sendPack(pack);
      const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
      const { status } = await client.putVersion(
        randomUUID(),
        commitOf(bytes, null, runs, [0], { path, kind }),
      );
      expect(status).toBe(201);
    }
});

afterAll(async () => {
  if (server) await stop(server);
  rmSync(root, { recursive: true, force: true });
});

const cli = async (...words: string[]) => (await mailferryOk(...words, '--state', state, '--json')).json;

describe('names that are no paths here', () => {
  test.each(NAMES)('%s: %s is listed, verified and restored by its name', async (_, path) => {
    const { versions } = await cli('versions', path);
    expect(versions.map((each: { path: string }) => each.path)).toEqual([path, path]);
    expect(await cli('verify', path)).toEqual({ verified: 1, failed: [] });
    expect(await cli('verify', '--all', path)).toEqual({ verified: 2, failed: [] });
    const to = join(root, randomUUID());
    expect((await cli('restore', path, '--to', to)).version).toBe(versions[0].id);
    expect(readFileSync(to, 'utf8')).toBe(path);
    await cli('restore', path, '--version', versions[1].id.slice(0, 8), '--to', to, '--overwrite');
    expect(readFileSync(to, 'utf8')).toBe(`older ${path}`);
  });

  test('I5, D3: all of them are in the list of everything, and verified with it', async () => {
    const { versions } = await cli('versions');
    expect(versions).toHaveLength(2 * NAMES.length);
    expect(await cli('verify')).toEqual({ verified: NAMES.length, failed: [] });
  });

  test.each([
    ['I5', 'HKEY_CURRENT_USER\\Software\\Nothing'],
    ['I5', 'set:/nothing'],
    ['D3', 'C:\\Users\\ä\\nothing.pst'],
  ])('%s: %s, which the server does not hold, is not found by any command', async (_, path) => {
    for (const words of [
      ['versions', path],
      ['verify', path],
      ['restore', path, '--to', join(root, 'nothing')],
    ]) {
      const ended = await mailferry(...words, '--state', state, '--json').ended;
      expect(ended).toMatchObject({ code: 1, json: { error: { code: 'not_found' } } });
    }
  });

  test('D3: a mail of a Maildir keeps the colon in its name below --to', async () => {
    const to = join(root, 'kind');
    const { restored } = await cli('restore', '--kind', 'mail-client', '--to', to);
    expect(restored).toHaveLength(1);
    const written = readdirSync(to, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    expect(written.map(({ name }) => name)).toEqual(['1:2,S']);
    expect(readFileSync(join(written[0]!.parentPath, '1:2,S'), 'utf8')).toBe(MAILDIR);
  });
});

test('C1: a store that is named by a link to it, or to a folder above it, is found by that name', async () => {
  const [folder, link] = [join(root, 'folder'), join(root, 'link')];
  mkdirSync(folder);
  symlinkSync(folder, link);
  writeFileSync(join(folder, 'mail.pst'), 'behind a link');
  symlinkSync(join(link, 'mail.pst'), join(root, 'mail-link.pst'));
  await mailferryOk('backup', join(link, 'mail.pst'), '--wait', '--snapshot', 'live', '--state', state);
  for (const [number, name] of [
    join(link, 'mail.pst'),
    join(root, 'mail-link.pst'),
    join(folder, 'mail.pst'),
  ].entries()) {
    const { json } = await mailferryOk('versions', name, '--state', state, '--json');
    expect(json.versions).toHaveLength(1);
    expect((await mailferryOk('verify', name, '--state', state, '--json')).json).toMatchObject({
      verified: 1,
    });
    const to = join(root, `linked-${number}`);
    await mailferryOk('restore', name, '--to', to, '--state', state);
    expect(readFileSync(to, 'utf8')).toBe('behind a link');
  }
});
