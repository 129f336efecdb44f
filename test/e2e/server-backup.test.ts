// `mailferry server backup` under real processes: taken while devices upload, killed in the middle, started on and restored from.
// As many rounds as MAILFERRY_BACKUPS and MAILFERRY_BACKUP_KILLS say (4 and 3): 20 and 10 are the full count.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { buildPack } from '../server/support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from '../server/support/device-client.ts';
import { kill, mailferry, mailferryOk, type RunningServer, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPacks } from '../support/vault-packs.ts';

const BACKUPS = Number(process.env.MAILFERRY_BACKUPS ?? 4);
const KILLS = Number(process.env.MAILFERRY_BACKUP_KILLS ?? 3);
const DEVICES = 4;
/** Bytes of a version; each device changes a block of it with every version. */
const SIZE = 400_000;
const COARSE = 65_536;

interface Receipted {
  readonly client: DeviceClient;
  readonly id: string;
  readonly sha256: string;
}

async function enrolOne(server: RunningServer): Promise<DeviceClient> {
  const { json } = await mailferryOk('server', 'token', 'create', '--data', server.data, '--json');
  const response = await fetch(`${server.url}/v1/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: json.token, name: 'laptop' }),
  });
  const { device, credential, receiptKey } = (await response.json()) as Record<string, string>;
  return new DeviceClient(() => server.url, device!, credential!, receiptKey!);
}

/** What the devices do: they rest while a copy is compared, so that there are no more versions than are looked at in a minute. */
interface Work {
  goesOn: boolean;
  isOver: boolean;
}

/** A device that sends a version after another until it is told to stop; each is noted when its receipt is there. */
async function upload(client: DeviceClient, receipted: Receipted[], work: Work): Promise<void> {
  let bytes = randomBytes(SIZE);
  let base: string | null = null;
  while (!work.isOver) {
    if (!work.goesOn) {
      await wait(20);
      continue;
    }
    const blocks: number[] =
      base === null ? allBlocks(SIZE) : [Math.floor(Math.random() * Math.floor(SIZE / COARSE))];
    if (base !== null) {
      bytes = Buffer.from(bytes);
      randomBytes(COARSE).copy(bytes, blocks[0]! * COARSE);
    }
    const parts = blocks.map((index) => bytes.subarray(index * COARSE, (index + 1) * COARSE));
    const pack = buildPack(parts);
    expect((await client.sendPack(pack)).status).toBe(204);
    let offset = 0;
    const runs = blocks.map((index, at) => {
      const run = { at: index * COARSE, length: parts[at]!.length, pack: pack.id, offset };
      offset += run.length;
      return run;
    });
    const id = randomUUID();
    expect((await client.putVersion(id, commitOf(bytes, base, runs, blocks))).status).toBe(201);
    receipted.push({ client, id, sha256: createHash('sha256').update(bytes).digest('hex') });
    base = id;
    await wait(60);
  }
}

const words = (data: string, to: string): string[] => [
  'server',
  'backup',
  '--data',
  data,
  '--to',
  to,
  '--json',
];

/** Starts on the copy, and expects every version that had its receipt; verified before and after. */
async function expectWhole(copy: string, receipted: readonly Receipted[]): Promise<void> {
  const verified = await mailferryOk('server', 'verify', '--data', copy, '--json');
  const devices = verified.json.devices as { versions: number; packs: number; trouble: string[] }[];
  expect(devices.reduce((sum, { versions }) => sum + versions, 0)).toBeGreaterThanOrEqual(receipted.length);
  const server = await startServer(copy);
  try {
    for (const { client, id, sha256 } of receipted) {
      const there = new DeviceClient(() => server.url, client.device, client.credential, client.receiptKey);
      const { status, bytes } = await there.get(`/v1/versions/${id}/content`);
      expect([status, createHash('sha256').update(bytes).digest('hex')]).toEqual([200, sha256]);
    }
  } finally {
    await stop(server);
  }
}

/** Under a final name lies what the name says, whole. */
function expectNoHalves(copy: string): void {
  if (!existsSync(join(copy, 'vaults'))) return;
  for (const path of vaultPacks(copy)) {
    // In progress: below another name.
    if (basename(join(path, '..')) === 'uploads') continue;
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(basename(path));
  }
  for (const device of readdirSync(join(copy, 'vaults'))) {
    const versions = join(copy, 'vaults', device, 'versions');
    if (!existsSync(versions)) continue;
    for (const name of readdirSync(versions)) {
      if (name.endsWith('.json')) JSON.parse(readFileSync(join(versions, name), 'utf8'));
    }
  }
}

test(
  `G1: server backup, ${BACKUPS} times while ${DEVICES} devices upload, and killed ${KILLS} times: each copy is whole`,
  async () => {
    const root = tempDir();
    const data = join(root, 'data');
    const server = await startServer(data);
    const receipted: Receipted[] = [];
    const work: Work = { goesOn: true, isOver: false };
    const clients = await Promise.all(Array.from({ length: DEVICES }, () => enrolOne(server)));
    const uploads = Promise.all(clients.map((client) => upload(client, receipted, work)));
    try {
      while (receipted.length < 3 * DEVICES) await wait(50);
      let took = 1_000;
      for (let round = 0; round < BACKUPS; round++) {
        // Every other one into the same folder, where only what is new is copied.
        const copy = join(root, round % 2 === 0 ? `copy-${round}` : 'copy');
        const began = [...receipted];
        const start = performance.now();
        const { json } = await mailferryOk(...words(data, copy));
        took = performance.now() - start;
        work.goesOn = false;
        expect(json).toMatchObject({ devices: DEVICES, lost: [], failed: [] });
        expect(json.versions).toBeGreaterThanOrEqual(began.length);
        await expectWhole(copy, began);
        if (round % 2 === 0) rmSync(copy, { recursive: true });
      }
      for (let round = 0; round < KILLS; round++) {
        const copy = join(root, round % 3 === 2 ? 'copy' : 'cut');
        work.goesOn = true;
        const running = mailferry(...words(data, copy));
        await wait(took * (0.2 + (0.8 * (round + 1)) / (KILLS + 1)));
        await kill(running);
        expectNoHalves(copy);
        if (existsSync(join(copy, 'unfinished-copy.json'))) {
          const refused = await mailferry('server', '--data', copy, '--listen', '127.0.0.1:0').ended;
          expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('unfinished copy')]);
        }
        const began = [...receipted];
        await mailferryOk(...words(data, copy));
        expectNoHalves(copy);
        await expectWhole(copy, began);
      }
    } finally {
      work.isOver = true;
      await uploads;
      await stop(server);
    }
  },
  120_000 + (BACKUPS + KILLS) * 60_000,
);
