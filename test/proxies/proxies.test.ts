// Behind real proxies, each with the configuration that server/proxies documents, over TLS: first backup, change, cut, restore, stock client.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sha256Of } from '../support/mail-file.ts';
import { startServer, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Laptop, laptop, stockClient } from './laptop.ts';
import { makeCertificates, type ProxyName, startProxy } from './real-proxy.ts';

const WAYS: [string, ProxyName, ((config: string) => string)?][] = [
  ['F1: nginx as documented', 'nginx'],
  [
    'F1: nginx with its own limit of 1 MiB',
    'nginx',
    (config) => config.replace(/.*client_max_body_size.*\n/, ''),
  ],
  [
    'F1: nginx that buffers requests',
    'nginx',
    (config) => config.replace(/.*proxy_request_buffering.*\n/, ''),
  ],
  [
    'F2: nginx with HTTP/1.0 to the server',
    'nginx',
    (config) => config.replace(/.*proxy_http_version.*\n/, ''),
  ],
  ['F2: nginx with HTTP/1.1 that closes', 'nginx', (config) => config.replace(/.*Connection "".*\n/, '')],
  ['F3: Caddy with two lines', 'caddy'],
  ['F3: HAProxy as documented', 'haproxy'],
  ['F3: Apache as documented', 'apache2'],
];

describe.each(WAYS)('%s', (name, proxy, edit) => {
  const reason = lacks(proxy, 'openssl');
  test(named('60 MB, a change, a cut, a restore with ranges, a stock client', reason), {
    timeout: 240_000,
  }, async (context) => {
    context.skip(reason !== null, reason ?? '');
    const root = tempDir();
    // A proxy that gives its rights up makes its temporary files there.
    chmodSync(root, 0o755);
    const certificates = makeCertificates(root);
    const data = join(root, 'data');
    const server = await startServer(data);
    onTestFinished(async () => void (await stop(server)));
    const way = await startProxy(proxy, {
      root: join(root, 'proxy'),
      target: server.port,
      certificates,
      ...(edit ? { edit } : {}),
    });
    onTestFinished(() => way.stop());
    const direct = await laptop(join(root, 'direct'), data, server.port);
    const behind = await laptop(join(root, 'behind'), data, way.port, certificates);
    const store = join(root, 'mail.pst');
    const backup = async ({ run }: Laptop) => {
      const { json, ms } = await run('backup', store, '--wait', '--snapshot', 'live');
      expect(json).toMatchObject({ versions: [{}], failed: [] });
      return { ms, sent: json.versions[0].sent as number };
    };
    const write = (size: number) => writeFileSync(store, randomBytes(size));
    const change = () => {
      const bytes = readFileSync(store);
      randomBytes(40_000).copy(bytes, 1_000_000);
      writeFileSync(store, bytes);
    };

    write(60_000_000);
    const without = (await backup(direct)).ms;
    expect((await backup(behind)).ms).toBeLessThanOrEqual(1.5 * without + 1_000);

    // Under a second on a machine that does nothing else (`npm test -- test/proxies`): 0.3 s of that goes without a proxy, too. Here
    // other tests run beside it, so that both are timed, one after the other. A way that waits for what never comes takes 20 s.
    const more = [];
    for (let n = 0; n < 5 && (more.at(-1) ?? 700) >= 700; n++) {
      change();
      const alone = (await backup(direct)).ms;
      more.push((await backup(behind)).ms - alone);
    }
    expect(Math.min(...more)).toBeLessThan(700);

    write(30_000_000);
    const up = behind.line.counted.up;
    behind.line.set({ resetAfter: 6_000_000 });
    await backup(behind);
    behind.line.set({});
    const { cuts } = behind.line.counted;
    expect(cuts).toBeGreaterThan(0);
    // The first cut may cost a buffering proxy a whole request, each later one 1 MiB; TLS and headers besides.
    const again = behind.line.counted.up - up - 30_100_000;
    expect(again, `${name}, ${cuts} cuts`).toBeLessThan(8_388_608 + cuts * (1_048_576 + 400_000));

    behind.line.set({ resetDownAfter: 9_000_000 });
    await behind.run('restore', store, '--to', join(root, 'restored'));
    behind.line.set({});
    expect(await sha256Of(join(root, 'restored'))).toBe(await sha256Of(store));

    await stockClient(behind, certificates);
  });
});

/** Below a path, as the comment in each file says it. */
const BELOW: [string, ProxyName, (config: string) => string][] = [
  [
    'F9: nginx that hands the path on',
    'nginx',
    (config) => config.replace(/^ +location \//m, 'location /mailferry/'),
  ],
  [
    'F9: nginx that takes the path off',
    'nginx',
    (config) =>
      config.replace(/^ +location \//m, 'location /mailferry/').replace(/(proxy_pass [^;]+);/, '$1/;'),
  ],
  ['F9: Caddy', 'caddy', (config) => config.replace(/^\treverse_proxy/m, '\treverse_proxy /mailferry/*')],
  [
    'F9: HAProxy',
    'haproxy',
    (config) =>
      config.replace('default_backend mailferry', 'use_backend mailferry if { path_beg /mailferry/ }'),
  ],
  [
    'F9: Apache',
    'apache2',
    (config) => config.replace(/ProxyPass \/ (\S+)\//, 'ProxyPass /mailferry/ $1/mailferry/'),
  ],
];

describe.each(BELOW)('%s', (_, proxy, edit) => {
  const reason = lacks(proxy, 'openssl');
  test(named('below a path: a backup, a cut, a restore, a stock client', reason), {
    timeout: 120_000,
  }, async (context) => {
    context.skip(reason !== null, reason ?? '');
    const root = tempDir();
    chmodSync(root, 0o755);
    const certificates = makeCertificates(root);
    const data = join(root, 'data');
    const server = await startServer(data, 0, '--base-path', '/mailferry');
    onTestFinished(async () => void (await stop(server)));
    const place = { root: join(root, 'proxy'), target: server.port, certificates, edit };
    const way = await startProxy(proxy, place);
    onTestFinished(() => way.stop());
    const behind = await laptop(join(root, 'behind'), data, way.port, certificates, '/mailferry');
    const store = join(root, 'mail.pst');
    writeFileSync(store, randomBytes(9_000_000));
    behind.line.set({ resetAfter: 4_000_000 });
    const { json } = await behind.run('backup', store, '--wait', '--snapshot', 'live');
    expect(json).toMatchObject({ versions: [{}], failed: [] });
    expect(behind.line.counted.cuts).toBeGreaterThan(0);
    behind.line.set({});
    await behind.run('restore', store, '--to', join(root, 'restored'));
    expect(await sha256Of(join(root, 'restored'))).toBe(await sha256Of(store));
    await stockClient(behind, certificates);
  });
});
