// Which proxy an address gets, from the environment and from what Windows says.
import { expect, test } from 'vitest';
import { environmentProxy, proxyOf } from '../../../client/http/proxy-rule.ts';
import { REG_BINARY, REG_DWORD, REG_SZ, type RegValue } from '../../../client/registry/reg-file.ts';
import { PROXY_KEYS, systemProxy } from '../../../client/windows/system-proxy.ts';

type Env = Record<string, string>;
const through = (env: Env, url: string) => environmentProxy(env)?.(new URL(url))?.url.host ?? null;

test.each<[Env, string, string | null]>([
  [{}, 'https://a.org', null],
  [{ HTTPS_PROXY: 'http://p:1' }, 'https://a.org', 'p:1'],
  [{ https_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' }, 'https://a.org', 'p:1'],
  [{ HTTPS_PROXY: 'http://p:1' }, 'http://a.org', null],
  [{ http_proxy: 'p:1' }, 'http://a.org', 'p:1'],
  [{ HTTP_PROXY: 'http://p:1' }, 'https://a.org', null],
  [{ ALL_PROXY: 'http://p:1' }, 'https://a.org', 'p:1'],
  [{ all_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' }, 'https://a.org', 'q:1'],
  [{ HTTPS_PROXY: '' }, 'https://a.org', null],
])('F5: by %j, %s goes through %s', (env, url, proxy) => {
  expect(through(env, url)).toBe(proxy);
});

test.each<[string, string, boolean]>([
  ['*', 'https://a.org', true],
  ['a.org', 'https://a.org', true],
  ['a.org', 'https://b.a.org:8443', true],
  ['.a.org', 'https://b.a.org', true],
  ['*.a.org', 'https://b.a.org', true],
  ['a.org', 'https://ba.org', false],
  ['A.ORG', 'https://a.org', true],
  ['a.org:8443', 'https://a.org', false],
  ['a.org:8443', 'https://a.org:8443', true],
  ['a.org:443', 'https://a.org', true],
  ['x, a.org', 'https://a.org', true],
  ['x a.org', 'https://a.org', true],
  ['10.0.0.0/8', 'https://10.1.2.3', true],
  ['10.0.0.0/8', 'https://11.1.2.3', false],
  ['10.1.2.3', 'https://10.1.2.3', true],
  ['10.1.2.3:444', 'https://10.1.2.3', false],
  ['::1', 'https://[::1]:8443', true],
  ['[::1]:8443', 'https://[::1]:8443', true],
  ['fd00::/8', 'https://[fd12::1]', true],
  ['', 'https://a.org', false],
])('F5: NO_PROXY=%j, asked for %s: %s', (entries, url, exempt) => {
  expect(through({ HTTPS_PROXY: 'p:1', NO_PROXY: entries }, url)).toBe(exempt ? null : 'p:1');
  expect(through({ HTTPS_PROXY: 'p:1', no_proxy: entries }, url)).toBe(exempt ? null : 'p:1');
});

test('F5: credentials are taken out of the address and decoded; a lone % is what it is', () => {
  const proxy = proxyOf('http://us%40er:p%3Aw@p:3128', 'X');
  expect(proxy.url.href).toBe('http://p:3128/');
  expect(proxy.authorization).toBe(`Basic ${Buffer.from('us@er:p:w').toString('base64')}`);
  expect(proxyOf('http://u:50%@p', 'X').authorization).toBe(
    `Basic ${Buffer.from('u:50%').toString('base64')}`,
  );
});

test.each(['socks5://u:geheim@h:1', 'http://', 'ftp://u:geheim@h'])(
  'F5: %s is refused, its password is not told',
  (text) => {
    const asked = () => environmentProxy({ ALL_PROXY: text })!(new URL('https://a.org'));
    expect(asked).toThrow(
      expect.objectContaining({
        code: 'proxy_failed',
        message: expect.stringMatching(/^The proxy that ALL_PROXY names (?!.*geheim)/),
      }),
    );
  },
);

const text = (name: string, value: string): RegValue => ({
  name,
  type: REG_SZ,
  data: Buffer.from(`${value}\0`, 'utf16le'),
});
const dword = (name: string, value: number): RegValue => {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value);
  return { name, type: REG_DWORD, data };
};
const user = (...values: RegValue[]) => systemProxy([[{ path: PROXY_KEYS[0]!, values }], null]);
const on = dword('ProxyEnable', 1);
const hostOf = (proxy: ReturnType<typeof systemProxy>, url: string) =>
  proxy?.rule(new URL(url))?.url.host ?? null;

test('F5: the proxy of Windows, by its switch, its schemes and its exceptions', () => {
  const all = user(
    on,
    text('ProxyServer', 'p:8080'),
    text('ProxyOverride', '*.in.org;10.*;<local>;https://x.org'),
  );
  expect(hostOf(all, 'https://a.org')).toBe('p:8080');
  for (const url of [
    'https://a.in.org',
    'https://10.9.8.7',
    'https://intranet',
    'https://x.org',
    'http://127.0.0.1:1',
  ])
    expect(hostOf(all, url)).toBeNull();
  expect(user(dword('ProxyEnable', 0), text('ProxyServer', 'p:8080'))).toBeNull();
  const each = user(on, text('ProxyServer', 'http=h:1;https=s:2'));
  expect([hostOf(each, 'http://a.org'), hostOf(each, 'https://a.org')]).toEqual(['h:1', 's:2']);
  expect(systemProxy([null, null])).toBeNull();
});

test('F5: a script for proxies is told, not followed', () => {
  const pac = user(text('AutoConfigURL', 'http://u:geheim@wpad.in.org/p.pac'));
  expect(pac?.note).toMatch(/PAC\), http:\/\/wpad\.in\.org\/p\.pac, which Mailferry does not follow$/);
  expect(hostOf(pac, 'https://a.org')).toBeNull();
});

test('F5: the proxy of WinHTTP, which services use', () => {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(3, 8);
  const counted = (said: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(said.length);
    return Buffer.concat([length, Buffer.from(said)]);
  };
  const data = Buffer.concat([head, counted('w:3128'), counted('*.in.org')]);
  const path = `${PROXY_KEYS[1]}\\Connections`;
  const key = { path, values: [{ name: 'WinHttpSettings', type: REG_BINARY, data }] };
  expect(hostOf(systemProxy([null, [key]]), 'https://a.org')).toBe('w:3128');
  expect(hostOf(systemProxy([null, [key]]), 'https://b.in.org')).toBeNull();
});
