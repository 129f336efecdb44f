// README's table of what is taken is the finders' own: made of the same rows as `mailferry sources --json`.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { takesOf } from '../../../client/sources/find-sources.ts';
import type { Take } from '../../../client/sources/finder.ts';

/** The table in Markdown; rows that say the same of the same thing are one. */
function table(takes: readonly Take[]): string {
  const rows = new Map<string, string>();
  for (const { what, where, why, restored, kind, leftOut } of takes) {
    const name = leftOut ? `${what}: left out` : what;
    rows.set(what, `| ${[name, `\`${kind}\``, where, why, restored].join(' | ')} |`);
  }
  return [
    '| what | kind | where | why | how it is restored |',
    '|---|---|---|---|---|',
    ...rows.values(),
  ].join('\n');
}

test('README shows every row of every platform, as the finders have it', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const all = [...takesOf('win32'), ...takesOf('linux').filter(({ id }) => id === 'home-stores')];
  const wanted = table(all);
  const from = readme.indexOf('| what | kind |');
  expect(readme.slice(from, from + wanted.length)).toBe(wanted);
});
