// What comments name is there.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['client', 'server', 'shared', 'test'];

test('I6: a file that a comment names is one of the project', () => {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  const names = new Set([...files.map((path) => basename(path)), 'README.md']);
  const commentsOf = (text: string) => text.match(/^\s*(\/\/|\*|\/\*\*).*$|\/\*\*.*?\*\//gm) ?? [];
  const wrong: string[] = [];
  for (const path of files.filter((name) => name.endsWith('.ts'))) {
    for (const comment of commentsOf(readFileSync(join(ROOT, path), 'utf8'))) {
      for (const [name] of comment.matchAll(/[\w.-]*\w\.(ts|mjs|ps1|md)\b/g)) {
        if (!names.has(name)) wrong.push(`${path}: ${name}`);
      }
      if (/\bfacts\/|\(facts\b/.test(comment)) wrong.push(`${path}: ${comment.trim()}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('I6: the file that accepts a live read is the one that live.ts names', () => {
  const [, name] = /(\S+\.ts) accepts a live read/.exec(
    readFileSync(join(ROOT, 'client/snapshot/live.ts'), 'utf8'),
  )!;
  expect(readFileSync(join(ROOT, 'client/backup', name!), 'utf8')).toContain(
    'changed while it was read without a snapshot',
  );
});
