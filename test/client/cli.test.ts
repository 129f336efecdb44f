// The command line refuses what can't be meant with one sentence and the exit code for it, before anything is touched.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mailferry } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

test.each([
  ['agent', '--minimum', '0'],
  ['agent', '--every', '-5'],
  ['backup', '--quota', '1.5'],
  ['backup', '--quota', 'lots'],
])('%s %s %s', async (command, option, value) => {
  const state = join(tempDir(), 'state');
  const { code, stderr } = await mailferry(command, option, value, '--state', state).ended;
  expect(code).toBe(2);
  expect(stderr).toContain(option);
  expect(stderr).toContain('It is not a whole number above 0.');
  expect(stderr).not.toContain('node:');
  expect(existsSync(state)).toBe(false);
});
