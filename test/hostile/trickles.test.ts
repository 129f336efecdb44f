// H4: two thousand connections that trickle, from nine addresses and through nginx from one; honest devices are answered meanwhile.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { makeCertificates, startProxy } from '../proxies/real-proxy.ts';
import { serverAndDevice, stop } from '../support/mailferry.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const COUNT = 2_000;
const REQUESTS = 100;
const PATIENCE_MS = 3_000;
/** Linux takes each of 127.0.0.0/8 for its own. */
const isLinux = process.platform === 'linux';

/** Starts them and waits until most are there. */
async function trickle(
  port: number,
  addresses: readonly string[],
  how: { isTls?: boolean; areEnrolments?: boolean },
) {
  const program = fileURLToPath(new URL('../../dist/test/hostile/trickler.js', import.meta.url));
  const asked = JSON.stringify({ port, addresses, count: COUNT, ...how });
  const child = fork(program, { env: { ...process.env, HOSTILE_TRICKLES: asked } });
  onTestFinished(() => void child.kill());
  const told = { open: 0, ended: 0 };
  child.on('message', (now) => Object.assign(told, now));
  await once(child, 'message');
  // Each is cut after ten seconds and comes again.
  await expect.poll(() => told.open, { timeout: 30_000 }).toBeGreaterThan(COUNT / 2);
  return told;
}

interface Honest {
  readonly url: string;
  readonly credential: string;
  readonly ca?: string;
}

/** How long each of a hundred requests took, each on a connection of its own from another address; Infinity where it was not answered. */
async function asked({ url, credential, ca }: Honest): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const began = performance.now();
    const status = await new Promise<number>((resolve) => {
      const request = (ca ? https : http).get(`${url}/v1/versions`, {
        agent: false,
        localAddress: '127.0.0.77',
        headers: { authorization: `Bearer ${credential}` },
        timeout: 2 * PATIENCE_MS,
        ...(ca ? { ca: readFileSync(ca) } : {}),
      });
      request.once('timeout', () => request.destroy());
      request.once('error', () => resolve(0));
      request.once('response', (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
        response.once('error', () => resolve(0));
      });
    });
    times.push(status === 200 ? performance.now() - began : Number.POSITIVE_INFINITY);
    await pause(100);
  }
  return times;
}

const inTime = (times: readonly number[]) => times.filter((ms) => ms <= PATIENCE_MS).length;

async function attacked() {
  const root = tempDir();
  chmodSync(root, 0o755);
  const { server, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const { credential } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  return { root, server, credential };
}

for (const areEnrolments of [true, false]) {
  const name = `H4: from nine addresses, ${areEnrolments ? 'all enrolments' : 'of each kind'}`;
  test.skipIf(!isLinux)(name, { timeout: 180_000 }, async () => {
    const { server, credential } = await attacked();
    const nine = Array.from({ length: 9 }, (_, n) => `127.0.0.${n + 2}`);
    const told = await trickle(server.port, nine, { areEnrolments });
    const times = await asked({ url: server.url, credential });
    expect(inTime(times)).toBeGreaterThanOrEqual(REQUESTS - 1);
    expect(told.ended).toBeGreaterThan(0);
  });
}

const reason = lacks('nginx', 'openssl') ?? (isLinux ? null : 'needs addresses of Linux');
test(named('H4: through nginx, from one', reason), { timeout: 180_000 }, async (context) => {
  context.skip(reason !== null, reason ?? '');
  const { root, server, credential } = await attacked();
  const certificates = makeCertificates(root);
  mkdirSync(join(root, 'proxy'));
  const place = { root: join(root, 'proxy'), target: server.port, certificates };
  const way = await startProxy('nginx', { ...place, connections: 10_000 });
  onTestFinished(() => way.stop());
  const told = await trickle(way.port, ['127.0.0.2'], { isTls: true, areEnrolments: true });
  const times = await asked({ url: `https://localhost:${way.port}`, credential, ca: certificates.ca });
  expect(inTime(times)).toBeGreaterThanOrEqual(REQUESTS - 1);
  expect(told.ended).toBeGreaterThan(0);
});
