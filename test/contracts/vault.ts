// What every vault must do, whatever it lies on: the promises of server/vault/vault.ts, asked one by one.
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sha256 } from '../../server/sha256.ts';
import type { Vault } from '../../server/vault/vault.ts';
import { toHex } from '../../shared/byte-codec.ts';

const A = 'aa'.repeat(16);
const B = 'bb'.repeat(16);

/** Runs the contract against the vaults that `make` makes: each call gives an empty one. */
export function vaultContract(make: () => Promise<Vault>): void {
  let vault: Vault;
  beforeEach(async () => {
    vault = await make();
  });
  afterEach(() => vault.close());

  async function stage(device: string, bytes: Uint8Array): Promise<{ upload: string; id: string }> {
    const upload = toHex(randomBytes(16));
    await writeFile(join(await vault.stagingDirectory(device), upload), bytes);
    return { upload, id: toHex(sha256(bytes)) };
  }

  it('gives each device a staging directory of its own, the same at each call', async () => {
    expect(await vault.stagingDirectory(A)).toBe(await vault.stagingDirectory(A));
    expect(await vault.stagingDirectory(A)).not.toBe(await vault.stagingDirectory(B));
  });

  it('publishes what was staged, to be read at any place', async () => {
    const bytes = randomBytes(100_000);
    const { upload, id } = await stage(A, bytes);
    expect(await vault.hasPack(A, id)).toBe(false);
    await vault.publish(A, upload, id);
    expect(await vault.hasPack(A, id)).toBe(true);
    expect(await readdir(await vault.stagingDirectory(A))).toEqual([]);
    for (const [from, to] of [
      [0, 100_000],
      [99_999, 100_000],
      [5, 5],
    ] as const) {
      const into = new Uint8Array(to - from);
      await vault.readPack(A, id, from, into);
      expect(Buffer.from(into).equals(bytes.subarray(from, to))).toBe(true);
    }
  });

  it('publishes again without a second copy, also when asked at once, and when the staged file is gone', async () => {
    const bytes = randomBytes(1_000);
    const first = await stage(A, bytes);
    const second = await stage(A, bytes);
    await Promise.all([vault.publish(A, first.upload, first.id), vault.publish(A, second.upload, second.id)]);
    await vault.publish(A, first.upload, first.id);
    expect(await readdir(await vault.stagingDirectory(A))).toEqual([]);
    await vault.readPack(A, first.id, 0, new Uint8Array(1_000));
  });

  it('puts what was checked just now in the place of one that rotted, also where that one is open', async () => {
    const bytes = randomBytes(1_000);
    const first = await stage(A, randomBytes(1_000));
    const { upload, id } = await stage(A, bytes);
    await vault.publish(A, first.upload, id);
    await vault.readPack(A, id, 0, new Uint8Array(1_000));
    await vault.publish(A, upload, id);
    const into = new Uint8Array(1_000);
    await vault.readPack(A, id, 0, into);
    expect(Buffer.from(into).equals(bytes)).toBe(true);
  });

  it('moves a damaged pack aside, once or again, and takes it when it comes again', async () => {
    const bytes = randomBytes(1_000);
    const first = await stage(A, bytes);
    await vault.publish(A, first.upload, first.id);
    await vault.readPack(A, first.id, 0, new Uint8Array(1));
    await vault.setAside(A, first.id);
    await vault.setAside(A, first.id);
    expect(await vault.hasPack(A, first.id)).toBe(false);
    await expect(vault.readPack(A, first.id, 0, new Uint8Array(1))).rejects.toMatchObject({
      code: 'pack_damaged',
    });
    const again = await stage(A, bytes);
    await vault.publish(A, again.upload, again.id);
    await vault.readPack(A, again.id, 0, new Uint8Array(1_000));
  });

  it('tells devices and packs, and keeps what is known of a device', async () => {
    expect(await vault.devices()).toEqual([]);
    const { upload, id } = await stage(A, randomBytes(10));
    await vault.publish(A, upload, id);
    expect(await vault.readDevice(A)).toBeUndefined();
    await vault.putDevice(A, Buffer.from('one'));
    await vault.putDevice(A, Buffer.from('two'));
    expect(Buffer.from((await vault.readDevice(A))!).toString()).toBe('two');
    expect(await vault.devices()).toEqual([A]);
    const packs = [];
    for await (const pack of vault.packs(A)) packs.push(pack);
    expect(packs).toEqual([{ id, stored: 10 }]);
  });

  it('keeps a staged device aside until it is published, and drops it when told, once or again', async () => {
    const [first, second] = ['1'.repeat(16), '2'.repeat(16)];
    await vault.putDevice(A, Buffer.from('old'));
    for (const [device, mark] of [
      [A, first],
      [A, second],
      [B, first],
    ] as const)
      await vault.stageDevice(device, mark, Buffer.from(`new ${mark}`));
    expect(await vault.devices()).toEqual([A]);
    expect(await vault.stagedDevices()).toHaveLength(3);
    await vault.publishDevice(A, second);
    await vault.publishDevice(A, second);
    expect(Buffer.from((await vault.readDevice(A))!).toString()).toBe(`new ${second}`);
    await vault.dropStagedDevice(A, first);
    await vault.dropStagedDevice(A, first);
    expect(await vault.stagedDevices()).toEqual([{ device: B, mark: first }]);
    await vault.publishDevice(B, first);
    expect(await vault.devices()).toEqual([A, B]);
  });

  it('knows the length of a pack without reading it', async () => {
    const { upload, id } = await stage(A, randomBytes(1_234));
    expect(await vault.packBytes(A, id)).toBeUndefined();
    await vault.publish(A, upload, id);
    expect([await vault.packBytes(A, id), await vault.packBytes(B, id)]).toEqual([1_234, undefined]);
  });

  it('keeps devices apart', async () => {
    const { upload, id } = await stage(A, randomBytes(10));
    await vault.publish(A, upload, id);
    expect(await vault.hasPack(B, id)).toBe(false);
    await expect(vault.readPack(B, id, 0, new Uint8Array(1))).rejects.toMatchObject({ code: 'pack_damaged' });
    await vault.putVersion(A, 1, randomUUID(), Buffer.from('{}'));
    expect(await vault.versions(B)).toEqual([]);
  });

  it('says that a pack is damaged where it is missing or too short', async () => {
    const { upload, id } = await stage(A, randomBytes(10));
    await vault.publish(A, upload, id);
    const damaged = { code: 'pack_damaged' };
    await expect(vault.readPack(A, id, 5, new Uint8Array(6))).rejects.toMatchObject(damaged);
    await expect(vault.readPack(A, 'ee'.repeat(32), 0, new Uint8Array(1))).rejects.toMatchObject(damaged);
  });

  it('keeps versions in their order, and replaces one that is put again', async () => {
    const ids = Array.from({ length: 12 }, () => randomUUID());
    for (const [index, id] of [...ids.entries()].reverse()) {
      await vault.putVersion(A, index + 1, id, Buffer.from(`{"n":${index}}`));
    }
    await vault.putVersion(A, 3, ids[2]!, Buffer.from('again'));
    expect(await vault.versions(A)).toEqual(ids.map((id, index) => ({ sequence: index + 1, id })));
    expect(Buffer.from(await vault.readVersion(A, 3, ids[2]!)).toString()).toBe('again');
    await expect(vault.readVersion(A, 99, ids[0]!)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('sweeps without touching what is published', async () => {
    const { upload, id } = await stage(A, randomBytes(10));
    await vault.publish(A, upload, id);
    const version = randomUUID();
    await vault.putVersion(A, 1, version, Buffer.from('{}'));
    await vault.sweep(A);
    await vault.sweep(B);
    expect(await vault.hasPack(A, id)).toBe(true);
    expect(await vault.versions(A)).toHaveLength(1);
  });

  it('reads many packs at once', async () => {
    const packs = await Promise.all(Array.from({ length: 60 }, (_, n) => stage(A, Buffer.alloc(50, n + 1))));
    for (const { upload, id } of packs) await vault.publish(A, upload, id);
    const reads = packs.flatMap(({ id }, n) =>
      Array.from({ length: 5 }, async () => {
        const into = new Uint8Array(50);
        await vault.readPack(A, id, 0, into);
        return into.every((byte) => byte === n + 1);
      }),
    );
    expect((await Promise.all(reads)).every(Boolean)).toBe(true);
  });

  it('knows how much room there is', async () => {
    expect(await vault.freeBytes()).toBeGreaterThan(0);
  });
}
