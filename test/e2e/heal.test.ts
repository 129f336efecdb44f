// A pack rots on the server: verify names it, and the next run of the device mends the newest version with what was lost, no more.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { mailferry, mailferryOk, serverAndDevice, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';
import { vaultPacks } from '../support/vault-packs.ts';

const MIB = 1_048_576;

describe('a damaged pack on the server', () => {
  test('of a 30 MB store is healed by the next run, though the store did not change', async () => {
    const root = tempDir();
    const { server, data, state } = await serverAndDevice(root);
    const source = join(root, 'mail.pst');
    makeMailFile(source, 30 * MIB, 5);
    const backup = () =>
      mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state, '--json');
    await backup();

    // The smallest pack: what is lost is what is sent again.
    const packs = vaultPacks(data).sort((a, b) => statSync(a).size - statSync(b).size);
    const [victim] = packs;
    const lostBytes = statSync(victim!).size;
    const bytes = readFileSync(victim!);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(victim!, bytes);

    const found = await mailferry('server', 'verify', '--data', data, '--json').ended;
    expect(found.code).toBe(1);
    const id = victim!.split('/').at(-1);
    expect(found.json.devices[0].damagedPacks).toEqual([{ id, state: 'damaged' }]);
    const repaired = await mailferry('server', 'verify', '--repair', '--data', data).ended;
    expect(repaired.stdout).toContain(`pack ${id} was damaged; it was moved aside`);
    const listed = await mailferryOk('versions', source, '--state', state, '--json');
    expect(listed.json.versions[0].damaged).toBeGreaterThan(0);
    const to = join(root, 'restored');
    const refused = await mailferry('restore', source, '--to', to, '--state', state, '--json').ended;
    expect(refused.code).not.toBe(0);
    const [damaged] = listed.json.versions;
    const told = await mailferry('verify', '--all', '--state', state, '--json').ended;
    expect(told.code).toBe(1);
    expect(told.json).toMatchObject({ verified: 0, failed: [{ path: source, version: damaged.id }] });

    const healed = (await backup()).json;
    expect(healed.failed).toEqual([]);
    expect(healed.versions).toHaveLength(1);
    expect(healed.versions[0].sent).toBeLessThan(lostBytes + 3 * MIB);
    await mailferryOk('restore', source, '--to', to, '--overwrite', '--state', state);
    expect(await sha256Of(to)).toBe(await sha256Of(source));
    // The store is as it was, so the version before is whole again as well.
    const verified = await mailferryOk('verify', '--all', '--state', state, '--json');
    expect(verified.json).toEqual({ verified: 2, failed: [] });
    expect((await backup()).json).toMatchObject({ unchanged: 1, versions: [] });
    const status = async () => (await mailferryOk('status', '--state', state, '--json')).json;
    expect(await status()).toMatchObject({ server: { reachable: true } });
    await stop(server);
    expect(await status()).toMatchObject({
      server: { url: server.url, reachable: false },
      sources: [{ path: source }],
    });
  }, 120_000);
});

test('a store that was away for one run is told of until it is found again, as it was', async () => {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  const source = join(root, 'usb', 'mail.pst');
  mkdirSync(join(root, 'usb'));
  makeMailFile(source, MIB, 6);
  const run = (...words: string[]) =>
    mailferry('backup', ...words, '--wait', '--snapshot', 'live', '--state', state, '--json').ended;
  const stateOf = async () => {
    const { json } = await mailferryOk('status', '--state', state, '--json');
    return json.sources[0].state;
  };
  expect((await run(source)).code).toBe(0);
  renameSync(join(root, 'usb'), join(root, 'unplugged'));
  expect((await run(source)).code).toBe(1);
  expect(await stateOf()).toBe('source_missing');
  renameSync(join(root, 'unplugged'), join(root, 'usb'));
  expect((await run(source)).json).toMatchObject({ unchanged: 1, versions: [], snapshots: 0 });
  expect(await stateOf()).toBe('backed-up');
  await stop(server);
});
