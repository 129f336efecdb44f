// Started on too old a Node, the program says so in one sentence, and has loaded nothing that such a Node can't.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { PROGRAM } from '../support/mailferry.ts';
import { node20 } from '../support/node-20.ts';
import { named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  engines: { node: string };
};
const LEAST = engines.node.replace('>=', '');

interface Said {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(node: string, ...words: string[]): Said {
  const { status, signal, stdout, stderr } = spawnSync(node, words, { encoding: 'utf8', cwd: root });
  return { status, signal, stdout, stderr };
}

const sentence = (version: string) =>
  `mailferry: This is Node ${version}, and Mailferry needs Node ${LEAST} or newer: ` +
  'start it through npm in its folder (`npx mailferry`), where `npm ci` put Node 24, or install Node 24.\n';

describe('1.1: too old a Node', () => {
  const old = node20();
  describe.skipIf(old === null)(named('Node 20 itself', old ? null : 'there is no Node 20 here'), () => {
    const version = old ? run(old, '-p', 'process.versions.node').stdout.trim() : '';

    test.each([
      ['no command', PROGRAM],
      ['--version', PROGRAM, '--version'],
      ['server', PROGRAM, 'server', '--data', '/proc/mailferry', '--listen', '127.0.0.1:0'],
      ['up --once', PROGRAM, 'up', '--once', '--state', '/proc/mailferry'],
      ['status --json', PROGRAM, 'status', '--json'],
      ['npm run bench', join(root, 'dist/test/bench/main.js'), '--days', '0'],
      ['npm run campaign', join(root, 'dist/test/campaign/main.js'), '--minutes', '0'],
      ['npm run package:windows', join(root, 'dist/client/windows/package/main.js')],
    ])('%s', (_, ...words) => {
      const ended = { status: 1, signal: null, stdout: '', stderr: sentence(version) };
      expect(run(old!, ...words)).toEqual(ended);
    });

    test('npm test', () => {
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const said = run(old!, vitest, 'list', '--config', 'test/vitest.config.ts', 'test/shared');
      expect(said.stderr).toContain(sentence(version));
      expect(said).toMatchObject({ status: 1, stdout: '' });
    });

    test('nothing else is loaded: the two files are enough to say it', () => {
      const folder = tempDir();
      for (const file of ['mailferry.js', 'node-floor.js'])
        copyFileSync(join(dirname(PROGRAM), file), join(folder, file));
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      expect(run(old!, join(folder, 'mailferry.js')).stderr).toBe(sentence(version));
    });
  });

  test.each([
    ['14.21.3', false],
    ['20.20.2', false],
    ['22.14.0', false],
    ['22.15.0', true],
    ['22.23.3', true],
    ['23.0.0', true],
    ['100.0.0', true],
  ])('a Node that calls itself %s is new enough: %s', (version, fine) => {
    const calls = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
    const pretend = `data:text/javascript,${encodeURIComponent(calls)}`;
    const { status, stderr } = run(process.execPath, '--import', pretend, PROGRAM, '--version');
    expect({ status, stderr }).toEqual(
      fine ? { status: 0, stderr: '' } : { status: 1, stderr: sentence(version) },
    );
  });
});
