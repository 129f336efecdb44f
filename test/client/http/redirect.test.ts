// Answers that send a device elsewhere: which of them are followed, and to where.
import { expect, test } from 'vitest';
import { isRedirect, movedTo } from '../../../client/http/redirect.ts';

const ROUTE = '/v1/versions?limit=1';

test.each([
  [301, true],
  [302, true],
  [307, true],
  [308, true],
  [304, false],
  [200, false],
  [404, false],
])('F6: %d sends elsewhere: %s', (status, expected) => {
  expect(isRedirect(status)).toBe(expected);
});

test.each([
  ['https://old', 'https://new/v1/versions?limit=1', 'https://new'],
  ['https://old', 'https://new:8443/mail/v1/versions?limit=1', 'https://new:8443/mail'],
  ['https://old/mail', 'https://new/v1/versions?limit=1', 'https://new'],
  ['https://old', '/mail/v1/versions?limit=1', 'https://old/mail'],
  ['http://old', 'https://new/v1/versions?limit=1', 'https://new'],
  // Whoever said that http is meant means it at the next address, too.
  ['http://old', 'http://new/v1/versions?limit=1', 'http://new'],
  ['http://127.0.0.1:1', 'http://localhost:2/v1/versions?limit=1', 'http://localhost:2'],
])('F6: from %s by %s for good: to %s', (from, location, to) => {
  for (const status of [301, 308]) expect(movedTo(from, ROUTE, status, location)).toBe(to);
});

test.each([
  ['for a while', 302, 'https://new/v1/versions?limit=1'],
  ['for a while', 307, 'https://new/v1/versions?limit=1'],
  ['for a while', 303, 'https://portal/login'],
  ['to no address', 308, undefined],
  ['to no address', 308, 'https://['],
  ['no address of the same server', 308, 'https://new/'],
  ['no address of the same server', 301, 'https://portal/login?from=/v1/versions'],
  ['no address of the same server', 308, 'https://new/v1/versions?limit=2'],
  ['no address of the same server', 308, 'https://name:word@new/v1/versions?limit=1'],
  ['no address of the same server', 308, 'ftp://new/v1/versions?limit=1'],
  ['not encrypted', 308, 'http://new/v1/versions?limit=1'],
])('F6: refused, %s: %d to %s', (why, status, location) => {
  expect(() => movedTo('https://old', ROUTE, status, location)).toThrow(
    expect.objectContaining({ code: 'answer_refused', message: expect.stringContaining(why) }),
  );
});
