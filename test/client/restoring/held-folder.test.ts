// H10: restores into folders of another user, who puts links where folders and files are to be.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keepAside } from '../../../client/restoring/carry-out.ts';
import { holdFolder } from '../../../client/restoring/held-folder.ts';
import { restoreVersion } from '../../../client/restoring/restore.ts';
import { SIGNED_FOR, signedVersion } from '../../support/client/signed-version.ts';
import { tempDir } from '../../support/temp-dir.ts';

const CONTENT = Buffer.from('mail of years');
const OTHER = 12_345;

const version = signedVersion(
  {
    id: '0199a0e0-7b1c-4000-8000-000000000001',
    sequence: 1,
    path: '/home/jan/mail.pst',
    kind: 'pst',
    mtime: '2026-11-24T08:00:00.000Z',
    takenAt: '2026-11-24T08:00:00.000Z',
    receivedAt: '2026-11-24T08:00:00.000Z',
    complete: true,
    snapshot: 'live',
    health: 'not-a-store',
    healthNotes: [],
  },
  CONTENT,
);
const PART = `.mail.pst.${version.id}.mailferry-part`;

function restoreTo(to: string) {
  const request = async (_: string, __: string, { headers }: { headers: { range?: string } }) => {
    const from = Number(/\d+/.exec(headers.range ?? '0'));
    const range = `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`;
    const body = Readable.from([CONTENT.subarray(from)]);
    return from > 0
      ? { status: 206, headers: { 'content-range': range }, body }
      : { status: 200, headers: {}, body };
  };
  const context = {
    server: { request },
    identity: SIGNED_FOR,
    progress: { say() {}, report() {} },
    stop: new AbortController().signal,
    chance: Math.random,
  };
  return restoreVersion(context as never, version, { to, overwrite: false });
}

/** A folder of this user alone, and one of another, beside each other. */
function twoUsers() {
  const root = realpathSync(tempDir());
  chmodSync(root, 0o755);
  const [secret, home] = [join(root, 'secret'), join(root, 'home')];
  mkdirSync(secret, { mode: 0o700 });
  mkdirSync(home, { mode: 0o755 });
  return { root, secret, home };
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(process.platform === 'win32')('any user', () => {
  test('H10: a link of their own in a folder of their own is followed', async () => {
    const { home, secret } = twoUsers();
    symlinkSync(secret, join(home, 'mail'));
    await restoreTo(join(home, 'mail', 'mail.pst'));
    expect(readFileSync(join(secret, 'mail.pst'))).toEqual(CONTENT);
  });

  test('H10: a link in a folder that others can write is not, whoever owns it, and nothing is written', async () => {
    const { home, secret } = twoUsers();
    symlinkSync(secret, join(home, 'mail'));
    chmodSync(home, 0o777);
    await expect(restoreTo(join(home, 'mail', 'mail.pst'))).rejects.toMatchObject({ code: 'target_refused' });
    expect(readdirSync(secret)).toEqual([]);
    expect(readdirSync(home)).toEqual(['mail']);
  });

  test('H10: links that lead in a circle end', async () => {
    const { home } = twoUsers();
    symlinkSync('round', join(home, 'round'));
    await expect(restoreTo(join(home, 'round', 'mail.pst'))).rejects.toMatchObject({
      code: 'target_unwritable',
    });
  });

  for (const [what, plant] of [
    ['a link', (part: string, precious: string) => symlinkSync(precious, part)],
    ['a second name of a file', (part: string, precious: string) => linkSync(precious, part)],
    ['a folder', (part: string) => mkdirSync(part)],
  ] as const) {
    test(`H10: ${what} that has the name of the part is written through by nobody`, async () => {
      const { home, secret } = twoUsers();
      const precious = join(secret, 'precious');
      writeFileSync(precious, 'xy', { mode: 0o600 });
      plant(join(home, PART), precious);
      const done = restoreTo(join(home, 'mail.pst'));
      if (what === 'a folder') await expect(done).rejects.toMatchObject({ code: 'target_unwritable' });
      else expect((await done) && readFileSync(join(home, 'mail.pst'))).toEqual(CONTENT);
      expect(readFileSync(precious, 'utf8')).toBe('xy');
      expect(statSync(precious).mode & 0o777).toBe(0o600);
    });
  }

  test('H10: of a link that is replaced the link is kept, not what it leads to', async () => {
    const { home, secret } = twoUsers();
    writeFileSync(join(secret, 'precious'), 'xy');
    symlinkSync(join(secret, 'precious'), join(home, 'mail.pst'));
    const copy = await keepAside(join(home, 'mail.pst'), join(home, 'kept'));
    expect(readlinkSync(copy)).toBe(join(secret, 'precious'));
  });
});

test.skipIf(process.platform !== 'linux')(
  'H10: a folder that is held stays the one it was, wherever its name leads',
  async () => {
    const { home, secret } = twoUsers();
    mkdirSync(join(home, 'mail'));
    await using held = await holdFolder(join(home, 'mail'));
    renameSync(join(home, 'mail'), join(home, 'moved'));
    symlinkSync(secret, join(home, 'mail'));
    writeFileSync(held.at('x'), 'x');
    expect([readdirSync(join(home, 'moved')), readdirSync(secret)]).toEqual([['x'], []]);
  },
);

describe.skipIf(!isRoot)('root, and a folder of another user (needs root)', () => {
  function othersHome() {
    const users = twoUsers();
    chownSync(users.home, OTHER, OTHER);
    return users;
  }

  test("H10: another's link leads a restore nowhere", async () => {
    const { home, secret } = othersHome();
    symlinkSync(secret, join(home, 'mail'));
    lchownSync(join(home, 'mail'), OTHER, OTHER);
    await expect(restoreTo(join(home, 'mail', 'mail.pst'))).rejects.toMatchObject({ code: 'target_refused' });
    expect(readdirSync(secret)).toEqual([]);
  });

  test('H10: what is made on the way belongs to who owns the folder it is made in', async () => {
    const { home } = othersHome();
    await using held = await holdFolder(join(home, 'a', 'b'));
    expect(held.path).toBe(join(home, 'a', 'b'));
    for (const folder of ['a', 'a/b']) {
      const { uid, gid, mode } = lstatSync(join(home, folder));
      expect([uid, gid, mode & 0o777]).toEqual([OTHER, OTHER, 0o700]);
    }
  });

  test("H10: another's part is not gone on with", async () => {
    const { home } = othersHome();
    writeFileSync(join(home, PART), 'mail');
    chownSync(join(home, PART), OTHER, OTHER);
    const planted = openSync(join(home, PART), 'r');
    onTestFinished(() => closeSync(planted));
    await restoreTo(join(home, 'mail.pst'));
    expect(statSync(join(home, 'mail.pst'))).toMatchObject({ uid: 0, size: CONTENT.length });
    expect(readFileSync(planted, 'utf8')).toBe('mail');
    expect(fstatSync(planted).nlink).toBe(0);
  });

  test.skipIf(process.platform !== 'linux')(
    'H10: who swaps a folder and a link all the time gets nothing into a folder of root',
    { timeout: 60_000 },
    async () => {
      const { home, secret } = othersHome();
      mkdirSync(join(home, 'mail'));
      chownSync(join(home, 'mail'), OTHER, OTHER);
      const swap = 'while :; do mv -T mail was; ln -s "$1" mail; rm mail; mv -T was mail; done';
      const swapping = spawn('/bin/sh', ['-c', swap, 'sh', secret], {
        cwd: home,
        uid: OTHER,
        gid: OTHER,
        detached: true,
        stdio: 'ignore',
      });
      onTestFinished(() => void process.kill(-swapping.pid!, 'SIGKILL'));
      await once(swapping, 'spawn');
      const ends = new Map<string, number>();
      for (let round = 0; round < 200; round++) {
        const end = await restoreTo(join(home, 'mail', `${round}.pst`)).then(
          () => 'restored',
          (error) => error.code as string,
        );
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }
      expect(readdirSync(secret)).toEqual([]);
      expect([...ends.keys()].sort()).toEqual(expect.arrayContaining(['restored']));
      expect([...ends.keys()].filter((end) => !/^(restored|target_\w+)$/.test(end))).toEqual([]);
    },
  );
});

test.skipIf(!existsSync('/proc/self/fd'))('H10: no handle of a folder is left open', async () => {
  const { home } = twoUsers();
  await restoreTo(join(home, 'first.pst'));
  const before = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 20; round++) await restoreTo(join(home, `${round}.pst`));
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 10);
});
