// The documented exit codes: the table as a whole, and every failure has one that is not success.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXIT, exitCode } from '../../client/exit-code.ts';
import { FAILURES, type FailureCode } from '../../shared/failure.ts';

test('the table, which scripts rely on', () => {
  expect(EXIT).toEqual({
    ok: 0,
    failed: 1,
    usage: 2,
    partial: 3,
    notEnrolled: 10,
    locked: 11,
    refused: 12,
    unreachable: 13,
    stopped: 130,
  });
});

const codes = Object.keys(FAILURES) as FailureCode[];

test.each(codes)('%s is never success, and its code is in the table', (code) => {
  expect(exitCode(code)).toBeGreaterThan(0);
  expect(Object.values(EXIT)).toContain(exitCode(code));
});

test.each([
  ['usage', 2],
  ['not_enrolled', 10],
  ['state_locked', 11],
  ['unauthorized', 12],
  ['token_refused', 12],
  ['unreachable', 13],
  ['tls_untrusted', 13],
  ['tls_failed', 13],
  ['answer_refused', 13],
  ['server_differs', 12],
  ['http_refused', 2],
  ['proxy_failed', 13],
  ['stalled', 13],
  ['busy', 13],
  ['restore_differs', 1],
  ['source_missing', 1],
] as const)('%s is %d', (code, expected) => {
  expect(exitCode(code)).toBe(expected);
});

test('README names each of them', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  for (const code of Object.values(EXIT)) expect(readme).toMatch(new RegExp(`^\\|\\s*${code}\\s*\\|`, 'm'));
});
