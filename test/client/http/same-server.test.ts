// Which addresses are the server's own, and which are in the clear: each spelling as URL reads it.
import { expect, test } from 'vitest';
import { assertEncrypted, assertEnrolledAddress, isInTheClear } from '../../../client/http/plain-http.ts';
import { assertOfServer, isOfServer } from '../../../client/http/same-server.ts';

test.each([
  ['https://h.example/mailferry', 'https://h.example/mailferry/v1/uploads/1', true],
  ['https://h.example/mailferry/', 'https://H.EXAMPLE:443/mailferry/v1/uploads/1', true],
  ['https://h.example', 'https://h.example/v1/uploads/1', true],
  ['https://h.example/mailferry', 'https://h.example/mailferry2/v1/uploads/1', false],
  ['https://h.example/mailferry', 'https://h.example/v1/uploads/1', false],
  ['https://h.example/mailferry', 'https://h.example/mailferry/../v1/uploads/1', false],
  ['https://h.example/mailferry', 'https://h.example/mailferry/%2e%2E/v1', false],
  ['https://h.example/mailferry', 'https://h.example/mailferry/..%2fv1', false],
  ['https://h.example/mailferry', 'https://h.example/mailferry\\..\\v1', false],
  ['https://h.example', 'http://h.example/v1/uploads/1', false],
  ['https://h.example', 'https://h.example:8443/v1/uploads/1', false],
  ['https://h.example', 'https://h.example.evil.org/v1', false],
  ['https://h.example', 'https://h.example@evil.org/v1', false],
  ['https://h.example', 'https://who@h.example/v1', false],
  ['https://h.example', 'https://evil.org/https://h.example/v1', false],
  ['https://h.example', 'data:text/plain,x', false],
  ['https://h.example', '/v1/uploads/1', false],
])('H7: server %s: %s is its own: %s', (server, url, own) => {
  expect(isOfServer(server, url)).toBe(own);
  if (!own)
    expect(() => assertOfServer(server, url)).toThrow(expect.objectContaining({ code: 'answer_refused' }));
});

test.each([
  ['https://h.example', false],
  ['http://localhost:8787', false],
  ['http://a.localhost', false],
  ['http://127.0.0.1:1', false],
  ['http://127.1', false],
  ['http://127.9.9.9', false],
  ['http://[::1]:9', false],
  ['http://[::ffff:127.0.0.1]', false],
  ['http://10.0.0.1', true],
  ['http://0.0.0.0', true],
  ['http://127.0.0.1.evil.org', true],
  ['http://localhost.evil.org', true],
  ['http://localhost@evil.org', true],
  ['http://128.0.0.1', true],
  ['http://[::2]', true],
  ['http://[::ffff:10.0.0.1]', true],
  ['http://mail-server', true],
])('H6: %s is in the clear: %s', (address, clear) => {
  expect(isInTheClear(address)).toBe(clear);
  const refused = expect.objectContaining({ code: 'http_refused' });
  if (clear) expect(() => assertEncrypted(address, false)).toThrow(refused);
  else assertEncrypted(address, false);
  assertEncrypted(address, true);
  if (clear) expect(() => assertEnrolledAddress({ server: address, allowHttp: false })).toThrow(refused);
  // Enrolled by 0.1, which did not ask: it goes on, and is told.
  assertEnrolledAddress({ server: address });
});
