// I3: an enrolment writes to the vault first and holds no lock of the catalogue meanwhile; a crash at any step leaves nobody half enrolled.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileVault } from '../../server/vault/file.ts';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
beforeEach(async () => {
  server = await TestServer.start();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.dispose();
});

const vaults = (...names: string[]): string => join(server.directory, 'vaults', ...names);
const staged = (): string[] => (existsSync(vaults('enrolling')) ? readdirSync(vaults('enrolling')) : []);
const devices = () => server.running.catalogue.enrolment.devices();
const folders = (): string[] => readdirSync(vaults()).filter((name) => /^[0-9a-f]{32}$/.test(name));

async function enrol(token: string): Promise<{ status: number; json: Record<string, string> }> {
  const response = await fetch(`${server.url}/v1/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, name: 'laptop' }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, string> };
}
const isLetIn = async (credential: string): Promise<number> =>
  (await fetch(`${server.url}/v1/versions`, { headers: { authorization: `Bearer ${credential}` } })).status;

/** Ends a method of the vault as a crash would: before it has done anything, or after all. */
function crashIn(method: 'stageDevice' | 'publishDevice', when: 'before' | 'after'): void {
  const real = FileVault.prototype[method] as (...words: unknown[]) => Promise<void>;
  vi.spyOn(FileVault.prototype, method).mockImplementationOnce(async function (
    this: FileVault,
    ...words: unknown[]
  ) {
    if (when === 'after') await real.apply(this, words);
    throw new Error('crash');
  });
}

describe('I3: an enrolment', () => {
  it('lets others write to the catalogue while the vault is slow', async () => {
    const token = await server.token();
    let wrote = false;
    for (const method of ['putDevice', 'stageDevice', 'publishDevice'] as const) {
      const real = FileVault.prototype[method] as ((...words: unknown[]) => Promise<void>) | undefined;
      if (!real) continue;
      vi.spyOn(FileVault.prototype, method).mockImplementation(async function (
        this: FileVault,
        ...words: unknown[]
      ) {
        const db = new Database(join(server.directory, 'catalogue.db'), { timeout: 0 });
        try {
          db.exec('BEGIN IMMEDIATE; COMMIT');
          wrote = true;
        } finally {
          db.close();
        }
        return real.apply(this, words);
      });
    }
    expect((await enrol(token)).status).toBe(201);
    expect(wrote).toBe(true);
  });

  it('that a crash cuts before the row is swept by the start; the token is as good as before', async () => {
    const token = await server.token();
    crashIn('stageDevice', 'after');
    expect((await enrol(token)).status).toBe(500);
    expect(staged()).toHaveLength(1);
    await server.restart();
    expect([staged(), folders(), await devices()]).toEqual([[], [], []]);
    expect((await enrol(token)).status).toBe(201);
  });

  it('that a crash cuts after the row is put right by the start, in the vault, too', async () => {
    const token = await server.token();
    crashIn('publishDevice', 'before');
    expect((await enrol(token)).status).toBe(500);
    expect([staged().length, (await devices()).length]).toEqual([1, 1]);
    await server.restart();
    const { id, credential } = (await devices())[0]!;
    expect([staged(), folders()]).toEqual([[], [id]]);
    expect(readFileSync(vaults(id, 'device.json'), 'utf8')).toContain(
      Buffer.from(credential).toString('hex'),
    );
    expect((await enrol(token)).status).toBe(403);
  });

  it('that renews and is cut before the row leaves the old credential, and the token, good', async () => {
    const device = await server.enrol();
    const token = await server.token(1, 60_000, device.device);
    crashIn('stageDevice', 'after');
    expect((await enrol(token)).status).toBe(500);
    await server.restart();
    expect([staged(), await isLetIn(device.credential)]).toEqual([[], 200]);
    const { status, json } = await enrol(token);
    expect([status, await isLetIn(json.credential!), await isLetIn(device.credential)]).toEqual([
      201, 200, 401,
    ]);
  });

  it('that renews and is cut after the row does not let the old credential in again', async () => {
    const device = await server.enrol();
    const token = await server.token(1, 60_000, device.device);
    crashIn('publishDevice', 'before');
    expect((await enrol(token)).status).toBe(500);
    expect(await isLetIn(device.credential)).toBe(401);
    await server.restart();
    expect([staged(), await isLetIn(device.credential)]).toEqual([[], 401]);
  });

  it('with a token of one use is given to one of 20 at once, and of the others nothing stays', async () => {
    const token = await server.token();
    const answers = await Promise.all(Array.from({ length: 20 }, () => enrol(token)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const { device } = answers.find(({ status }) => status === 201)!.json;
    expect([staged(), folders()]).toEqual([[], [device]]);
  });

  it('writes nothing for a token that is not valid', async () => {
    const stage = vi.spyOn(FileVault.prototype, 'stageDevice');
    expect((await enrol('x'.repeat(43))).status).toBe(403);
    expect(stage).not.toHaveBeenCalled();
  });

  it('is not undone by a vault that still knows a revoked credential as good', async () => {
    const device = await server.enrol();
    const file = vaults(device.device, 'device.json');
    const before = readFileSync(file);
    await server.running.catalogue.enrolment.revoke(device.device, '2026-01-01T00:00:00.000Z');
    await server.stop();
    writeFileSync(file, before);
    await server.start();
    expect(await isLetIn(device.credential)).toBe(401);
    expect(readFileSync(file, 'utf8')).toContain('2026-01-01');
  });
});
