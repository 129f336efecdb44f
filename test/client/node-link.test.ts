// npm scripts run on the Node that npm brought, also after an npm 10, which takes its link away again.
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { node20 } from '../support/node-20.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const link = join(root, 'client', 'node-link.mjs');
const name = `node-${process.platform}-${process.arch}`;
/** Node 20 where there is one: that is what runs it after an npm 10. */
const node = node20() ?? process.execPath;

/** A project with a brought Node, as npm 10 leaves it. */
function project(): string {
  const folder = tempDir();
  mkdirSync(join(folder, 'node_modules', name, 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(folder, 'node_modules', name, 'bin', 'node'));
  writeFileSync(join(folder, 'package.json'), '{ "scripts": { "which": "node -p process.version" } }');
  return folder;
}

function runIn(folder: string, program: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

test.skipIf(process.platform === 'win32')('1.1: a link that is not there is made', () => {
  const folder = project();
  expect(runIn(folder, node, link)).toBe('');
  expect(runIn(folder, 'npm', 'run', '--silent', 'which').trim()).toBe(process.version);
  // And once more: it is there.
  expect(runIn(folder, node, link)).toBe('');
  expect(readlinkSync(join(folder, 'node_modules', '.bin', 'node'))).toBe(`../${name}/bin/node`);
});

test('1.1: where npm brought no Node, none is linked', () => {
  const folder = tempDir();
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  runIn(folder, node, link);
  expect(() => lstatSync(join(folder, 'node_modules', '.bin', 'node'))).toThrow(/ENOENT/);
});

test('1.1: npm runs no script of a package, and the first things after npm ci make the link', () => {
  expect(readFileSync(join(root, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const name of ['build', 'test']) expect(scripts[name]).toMatch(/^node client\/node-link\.mjs && /);
});
