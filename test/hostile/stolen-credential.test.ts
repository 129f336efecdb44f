// 3.2: whoever has a device's credential writes what they like for a minute; every version from before is restored byte for byte.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildPack } from '../server/support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from '../server/support/device-client.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, serverAndDevice, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { chanceOf } from './chance.ts';
import { hostilePack } from './packs.ts';
import { hostileRequest } from './requests.ts';
import type { Target } from './target.ts';

const SECONDS = 60;

interface Version {
  readonly id: string;
  readonly path: string;
  readonly sha256: string;
}

/** Writes that the server takes, since the device may: what it has is written over, based on, begun and left. */
function writes(client: DeviceClient, known: readonly Version[], random: ReturnType<typeof chanceOf>) {
  const packs: { id: string; bytes: Buffer }[] = [];
  const newPack = async () => {
    const bytes = randomBytes(1 + random.int(200_000));
    const pack = buildPack([bytes]);
    await client.sendPack(pack);
    packs.push({ id: pack.id, bytes });
    return packs.at(-1)!;
  };
  const over = () => random.pick(known);
  return [
    async () => {
      // The newest state of a store is garbage now, said to be from long ago or from the future.
      const { id, bytes } = packs.length > 0 && random.int(2) ? random.pick(packs) : await newPack();
      const runs = [{ at: 0, length: bytes.length, pack: id, offset: 0 }];
      const more = {
        path: over().path,
        takenAt: random.pick([
          '1970-01-02T00:00:00.000Z',
          '2026-11-23T09:00:00.000Z',
          '2999-01-01T00:00:00.000Z',
        ]),
      };
      await client.putVersion(randomUUID(), commitOf(bytes, null, runs, allBlocks(bytes.length), more));
    },
    async () => {
      // A version that is there, again, with other bytes.
      const { id, bytes } = await newPack();
      const runs = [{ at: 0, length: bytes.length, pack: id, offset: 0 }];
      await client.putVersion(over().id, commitOf(bytes, null, runs, allBlocks(bytes.length)));
    },
    async () => {
      // Over a base, with any runs in packs of others and of its own.
      const bytes = randomBytes(65_536);
      const run = () => ({
        at: random.int(1_000) * 4_096,
        length: 4_096 * (1 + random.int(8)),
        pack: random.int(2) ? random.hex(64) : (packs.at(-1)?.id ?? random.hex(64)),
        offset: random.int(65_536),
      });
      await client.putVersion(randomUUID(), commitOf(bytes, over().id, [run()], allBlocks(bytes.length)));
    },
    async () => {
      // An upload begun, sent in part, ended or left.
      const made = await client.createUpload({ kind: 'file', path: over().path }, 100_000);
      const location = made.headers.get('location');
      if (location === null) return;
      await client.patch(location, 0, randomBytes(random.int(100_001)));
      if (random.int(2)) await client.send('DELETE', location, { 'tus-resumable': '1.0.0' });
    },
    async () => {
      // Whatever method at whatever is there.
      const what = random.pick([
        `versions/${over().id}`,
        `versions/${over().id}/content`,
        `packs/${random.hex(64)}`,
      ]);
      const method = random.pick(['DELETE', 'PATCH', 'POST', 'PUT']);
      await client.send(method, `/v1/${what}`, {}, new Uint8Array(random.bytes(random.int(2_000))));
    },
  ];
}

test(`3.2: a credential in the hands of an attacker for ${SECONDS} s`, { timeout: 240_000 }, async () => {
  const root = tempDir();
  const { server, data, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const at = ['--state', state, '--json'];
  const stores = ['one.pst', 'two.pst'].map((name) => join(root, name));
  for (const [n, store] of stores.entries()) makeMailFile(store, 1_500_000 + n * 700_000, 10 + n);
  const states: string[] = [];
  for (let round = 0; round < 3; round++) {
    for (const store of stores) {
      const bytes = readFileSync(store);
      randomBytes(50_000).copy(bytes, round * 300_000);
      writeFileSync(store, bytes);
      states.push(await sha256Of(store));
    }
    await mailferryOk('backup', ...stores, '--wait', '--snapshot', 'live', ...at);
  }
  const before = (await mailferryOk('versions', ...at)).json.versions as Version[];
  expect(before.map(({ sha256 }) => sha256).sort()).toEqual([...states].sort());

  const { device, credential, receiptKey } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  const client = new DeviceClient(() => server.url, device, credential, receiptKey);
  const stolen = { credential, version: before[0]!.id, pack: 'x'.repeat(64) };
  const target = {
    url: server.url,
    port: server.port,
    healthy: stolen,
    hostile: stolen,
  } as unknown as Target;
  const until = performance.now() + SECONDS * 1_000;
  let written = 0;
  await Promise.all(
    [0, 1, 2, 3].map(async (worker) => {
      const random = chanceOf('stolen', 'writes', worker);
      const all = writes(client, before, random);
      while (performance.now() < until) {
        const kind = random.int(all.length + 2);
        if (kind < all.length) await all[kind]!().catch(() => {});
        else await (kind === all.length ? hostileRequest : hostilePack)(target, random);
        written++;
      }
    }),
  );
  expect(written).toBeGreaterThan(500);

  const now = (await mailferryOk('versions', ...at)).json.versions as Version[];
  expect(now.length).toBeGreaterThan(before.length);
  for (const { id, path, sha256 } of before) {
    const to = join(root, `${id}.restored`);
    await mailferryOk('restore', path, '--version', id, '--to', to, ...at);
    expect(await sha256Of(to)).toBe(sha256);
  }
  const verified = await mailferry('server', 'verify', '--data', data, '--json').ended;
  expect(verified.code).toBe(0);
  expect(existsSync(join(data, 'vaults', device, 'damaged'))).toBe(false);
});
