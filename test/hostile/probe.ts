// The honest devices, in a process of their own: one asks, again and again, what a device asks, and one backs up; how long each round took.
import { randomBytes, randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { buildPack } from '../server/support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from '../server/support/device-client.ts';
import { bearer, send, type Target } from './target.ts';

/** Between two rounds, in milliseconds: a device is not in a hurry. */
const BETWEEN_MS = 15;

/** What a round backs up: a few changed blocks. */
const BACKUP_BYTES = 4 * 65_536;

const target = JSON.parse(process.env.HOSTILE_TARGET ?? '{}') as Target;

async function round(): Promise<void> {
  const { credential, version, pack } = target.healthy;
  const headers = bearer(credential);
  const answers = [
    await send(target, { method: 'GET', path: '/v1/versions', headers }),
    await send(target, { method: 'HEAD', path: `/v1/packs/${pack}`, headers }),
    await send(target, { method: 'GET', path: `/v1/versions/${version}/fingerprint`, headers }),
    await send(target, {
      method: 'GET',
      path: `/v1/versions/${version}/content`,
      headers: { ...headers, range: 'bytes=100000-500000' },
    }),
  ];
  const statuses = answers.map(({ status }) => status).join(' ');
  if (statuses !== '200 200 200 206') throw new Error(`the honest device was answered ${statuses}`);
  await backUp();
}

const { device, credential, receiptKey } = target.working;
const working = new DeviceClient(() => target.url, device, credential, receiptKey);

async function backUp(): Promise<void> {
  const bytes = randomBytes(BACKUP_BYTES);
  const pack = buildPack([bytes]);
  const sent = await working.sendPack(pack);
  const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
  const commit = commitOf(bytes, null, runs, allBlocks(bytes.length));
  const committed = await working.putVersion(randomUUID(), commit);
  const statuses = `${sent.status} ${committed.status}`;
  if (statuses !== '204 201') throw new Error(`the honest device's backup was answered ${statuses}`);
}

let isOver = false;
process.once('message', () => {
  isOver = true;
});
process.once('disconnect', () => process.exit(1));
const times: number[] = [];
const failures: string[] = [];
while (!isOver) {
  const from = performance.now();
  try {
    await round();
    times.push(performance.now() - from);
  } catch (error) {
    failures.push(String(error));
  }
  await pause(BETWEEN_MS);
}
process.send?.({ times, failures });
process.disconnect();
