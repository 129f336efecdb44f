// What the program calls itself.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VERSION } from '../../client/version.ts';
import { mailferryOk } from '../support/mailferry.ts';

test('is that of the package, and --version says it', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
  expect((await mailferryOk('--version')).stdout).toBe(`${version}\n`);
  expect((await mailferryOk('-V')).stdout).toBe(`${version}\n`);
});
