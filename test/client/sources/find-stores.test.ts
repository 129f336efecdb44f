// The finder over real folders: what it finds, what it passes by, and that it says what it could not look into.
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FindOptions, findStores, kindOf } from '../../../client/sources/find-stores.ts';
import { sampleStores } from '../../../client/sources/sample-stores.ts';
import type { Skipped } from '../../../client/sources/walk.ts';

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), 'mailferry-find-')));
});
afterEach(() => rm(root, { recursive: true }));

async function plant(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(path.join(root, path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, file), '');
  }
}

/** What was found and what was skipped, as paths below the root, in the order they came. */
async function find(options: FindOptions & { roots?: string[] } = {}) {
  const found: string[] = [];
  const skipped: Skipped[] = [];
  const { roots = [root], ...rest } = options;
  for await (const store of findStores(roots, { onSkipped: (one) => skipped.push(one), ...rest })) {
    expect(path.isAbsolute(store.path)).toBe(true);
    expect(store.kind).toBe(kindOf(store.path));
    found.push(path.relative(root, store.path));
  }
  return { found, skipped: skipped.map((one) => ({ ...one, path: path.relative(root, one.path) })) };
}

describe('findStores', () => {
  test('finds stores in any case at any depth, in order, and nothing else', async () => {
    await plant(
      'b.PST',
      'a.pst',
      'notes.txt',
      'pst',
      'old.pst.bak',
      'Docs/Outlook Files/me.Ost',
      'Docs/x.nk2',
      'z/ü.pst',
    );
    await mkdir(path.join(root, 'folder.pst'));
    expect(await find()).toEqual({
      found: ['a.pst', 'b.PST', 'Docs/x.nk2', 'Docs/Outlook Files/me.Ost', 'z/ü.pst'],
      skipped: [],
    });
  });

  test.each([
    'node_modules',
    '.git',
    '.cache',
    '.Trash',
    '.Trash-1000',
    '$RECYCLE.BIN',
    'System Volume Information',
    '.local/share/Trash',
    '.snapshots',
  ])('passes by %s', async (ignored) => {
    await plant(
      `${ignored}/inside.pst`,
      `${ignored}/deep/inside.pst`,
      'beside.pst',
      '.local/share/beside.pst',
    );
    expect(await find()).toEqual({ found: ['beside.pst', '.local/share/beside.pst'], skipped: [] });
  });

  test('a folder of a similar name is looked into', async () => {
    await plant(
      'Trash/a.pst',
      'cache/b.pst',
      'node_modules_old/c.pst',
      '.gitlab/d.pst',
      'dev/e.pst',
      'proc/f.pst',
    );
    expect((await find()).found).toHaveLength(6);
  });

  test('a root in an ignored folder is walked', async () => {
    await plant('node_modules/pack/a.pst');
    expect((await find({ roots: [path.join(root, 'node_modules')] })).found).toEqual([
      'node_modules/pack/a.pst',
    ]);
  });

  test('C1: a link to what is walked anyway brings nothing twice, and one that leads to nothing is said', async () => {
    await plant('real/a.pst');
    await symlink('real', path.join(root, 'again'));
    await symlink('..', path.join(root, 'real', 'loop'));
    await symlink('real/a.pst', path.join(root, 'link.pst'));
    await symlink('nowhere', path.join(root, 'link.txt'));
    expect(await find()).toEqual({
      found: ['real/a.pst'],
      skipped: [
        { path: 'link.txt', why: 'link', code: 'ENOENT', more: 'a link that leads to nothing (nowhere)' },
      ],
    });
  });

  test('a root that is a link is followed', async () => {
    await plant('real/a.pst');
    await symlink('real', path.join(root, 'again'));
    expect((await find({ roots: [path.join(root, 'again')] })).found).toEqual(['again/a.pst']);
  });

  test('a root that is a file is yielded, whatever its kind', async () => {
    await plant('notes.txt', 'a.pst');
    const roots = ['notes.txt', 'a.pst'].map((name) => path.join(root, name));
    expect((await find({ roots })).found).toEqual(['notes.txt', 'a.pst']);
  });

  test('roots that overlap yield each store once', async () => {
    await plant('in/a.pst', 'b.pst');
    const roots = [path.join(root, 'in'), root, path.join(root, 'in', 'a.pst'), `${root}/in/../`];
    expect((await find({ roots })).found).toEqual(['in/a.pst', 'b.pst']);
  });

  test('a missing root is reported and the others are walked', async () => {
    await plant('a.pst');
    expect(await find({ roots: [path.join(root, 'none'), root] })).toEqual({
      found: ['a.pst'],
      skipped: [{ path: 'none', why: 'missing', code: 'ENOENT' }],
    });
  });

  test.skipIf(process.getuid?.() === 0)(
    'a folder that cannot be read is reported and the others are walked',
    async () => {
      await plant('closed/a.pst', 'open/b.pst');
      await chmod(path.join(root, 'closed'), 0o000);
      const result = await find();
      await chmod(path.join(root, 'closed'), 0o700);
      expect(result).toEqual({
        found: ['open/b.pst'],
        skipped: [{ path: 'closed', why: 'unreadable', code: 'EACCES' }],
      });
    },
  );

  test('a root the system will not even look up is unreadable', async () => {
    await plant('a.pst');
    const name = 'n'.repeat(300);
    expect(await find({ roots: [path.join(root, name), path.join(root, 'a.pst', 'in'), root] })).toEqual({
      found: ['a.pst'],
      skipped: [
        { path: name, why: 'unreadable', code: 'ENAMETOOLONG' },
        { path: 'a.pst/in', why: 'missing', code: 'ENOTDIR' },
      ],
    });
  });

  test('a folder that goes away during the walk is reported and the others are walked', async () => {
    await plant('0.pst', 'a/1.pst', 'b/2.pst');
    const found: string[] = [];
    const skipped: Skipped[] = [];
    for await (const store of findStores([root], { onSkipped: (one) => skipped.push(one) })) {
      found.push(path.basename(store.path));
      await rm(path.join(root, 'a'), { recursive: true, force: true });
    }
    expect(found).toEqual(['0.pst', '2.pst']);
    expect(skipped).toEqual([{ path: path.join(root, 'a'), why: 'missing', code: 'ENOENT' }]);
  });

  test('the depth limit is kept and reported', async () => {
    await plant('0.pst', 'a/1.pst', 'a/b/2.pst', 'a/b/c/3.pst');
    expect(await find({ maxDepth: 1 })).toEqual({
      found: ['0.pst', 'a/1.pst'],
      skipped: [{ path: 'a/b', why: 'too-deep', code: null }],
    });
    expect((await find({ maxDepth: 3 })).found).toHaveLength(4);
  });

  test('a caller may stop at the first', async () => {
    await plant('a.pst', 'b.pst');
    for await (const store of findStores([root])) {
      expect(path.basename(store.path)).toBe('a.pst');
      break;
    }
  });

  test('finds the sample stores', async () => {
    const { pst, osts } = sampleStores()!;
    const kinds = new Map<string, string>();
    for await (const store of findStores([path.dirname(pst)])) kinds.set(store.path, store.kind);
    expect(kinds).toEqual(
      new Map([
        [pst, 'pst'],
        [osts[0], 'ost'],
        [osts[1], 'ost'],
      ]),
    );
  });
});

test.each([
  ['/home/ann/Mail.PST', 'pst'],
  ['C:\\Users\\Ann\\AppData\\Local\\Microsoft\\Outlook\\ann@example.org.ost', 'ost'],
  ['Outlook.nk2', 'nk2'],
  ['Outlook.NICK', 'nk2'],
  ['.pst', 'pst'],
  ['pst', 'file'],
  ['/a.pst/notes', 'file'],
  ['a.pst.bak', 'file'],
  ['a.pstx', 'file'],
  ['', 'file'],
] as const)('kindOf(%j) is %s', (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});
