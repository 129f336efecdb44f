// Whoever owns the network answers for the server: nothing gets a name, and nothing is called verified, that the server did not sign.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeChangeList } from '../../shared/change-list.ts';
import { merkleRoot } from '../../shared/merkle.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import { coarseHashes } from '../server/support/device-client.ts';
import { type Answer, forge } from '../support/forger.ts';
import { makeMailFile, sha256Of } from '../support/mail-file.ts';
import { PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const rootOf = (bytes: Uint8Array) => merkleRoot(coarseHashes(bytes), sha256);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A device with a mail folder of two stores on its server, and words that run a command as it. */
async function deviceWithMail() {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const home = join(root, 'home');
  const profile = join(home, '.thunderbird', 'p.default');
  mkdirSync(join(profile, 'Mail', 'Local Folders'), { recursive: true });
  const ini = '[Profile0]\nName=a\nIsRelative=1\nPath=p.default\n';
  writeFileSync(join(home, '.thunderbird', 'profiles.ini'), ini);
  writeFileSync(join(profile, 'prefs.js'), '// none\n');
  const store = join(profile, 'Mail', 'Local Folders', 'Inbox');
  makeMailFile(store, 300_000, 3);
  const identityFile = join(state, 'identity.json');
  const identity = JSON.parse(readFileSync(identityFile, 'utf8'));
  const run = (...words: string[]) =>
    start(process.execPath, [PROGRAM, ...words, '--state', state, '--json'], { HOME: home }).ended;
  const backup = await run('backup', '--wait', '--snapshot', 'live');
  expect(backup).toMatchObject({ code: 0, json: { failed: [] } });
  const pointTo = (url: string) => writeFileSync(identityFile, JSON.stringify({ ...identity, server: url }));
  return { root, server, home, store, identity, run, pointTo };
}

/** What an attacker makes of a summary: the content is theirs from the first block on. */
const FORGED = Buffer.from('From - \nSubject: open the macro\n\n'.repeat(9_091)).subarray(0, 300_000);

const own = generateKeyPairSync('ed25519').privateKey;

/** Ways of forging what the server says of a version, each with the failure it has to end in. */
const FORGERIES: Record<
  string,
  { code: string; summary: (version: VersionSummary, all: VersionSummary[]) => unknown }
> = {
  'the bytes alone': { code: 'restore_differs', summary: (version) => version },
  'the bytes, the SHA-256 and the root': {
    code: 'receipt_invalid',
    summary: (version) => ({ ...version, sha256: hex(sha256(FORGED)), root: hex(rootOf(FORGED)) }),
  },
  'all of it, signed with another key': {
    code: 'receipt_invalid',
    summary: (version) => {
      const changed = { sha256: hex(sha256(FORGED)), root: hex(rootOf(FORGED)) };
      const statement = JSON.stringify({ ...JSON.parse(version.receipt.statement), ...changed });
      const signature = sign(null, Buffer.from(statement), own).toString('hex');
      return { ...version, ...changed, receipt: { statement, signature } };
    },
  },
  'a signed receipt, of another source': {
    code: 'receipt_invalid',
    summary: (version, all) => {
      const { receipt, sha256, root, size, sequence } = all.find(({ path }) => path !== version.path)!;
      return { ...version, receipt, sha256, root, size, sequence };
    },
  },
  'no receipt': {
    code: 'receipt_invalid',
    summary: (version) => ({ ...version, receipt: { statement: '{}', signature: '' } }),
  },
  'the order, so that this one is the newest': {
    code: 'receipt_invalid',
    summary: (version) => ({ ...version, sequence: 900 }),
  },
};

describe('a forged answer', () => {
  for (const [name, { code, summary }] of Object.entries(FORGERIES)) {
    test(`H6: ${name}: no way of restoring takes it`, { timeout: 240_000 }, async () => {
      const { root, server, home, store, run, pointTo } = await deviceWithMail();
      const all = (await run('versions')).json.versions as VersionSummary[];
      const { id } = all.find(({ path }) => path === store)!;
      const every = (await fetchAll(server.url, join(root, 'state'))) as VersionSummary[];
      const change = (answer: Answer, { url }: { url?: string | undefined }) => {
        if (answer.status >= 300) return;
        if (url!.includes(`/${id}/content`)) {
          const range = /bytes (\d+)-/.exec(String(answer.headers['content-range'] ?? ''));
          answer.body = FORGED.subarray(Number(range?.[1] ?? 0));
        } else if (url!.startsWith('/v1/versions?')) {
          const page = JSON.parse(answer.body.toString()) as { versions: VersionSummary[] };
          const versions = page.versions.map((each) => (each.id === id ? summary(each, every) : each));
          answer.body = Buffer.from(JSON.stringify({ ...page, versions }));
        }
      };
      pointTo((await forge(server.port, { change })).url);
      const before = readFileSync(store);
      const out = join(root, 'out');
      mkdirSync(out);
      const ways: string[][] = [
        [store, '--to', join(out, 'plain')],
        [store, '--version', id, '--to', join(out, 'by-id')],
        [store, '--at', new Date(Date.now() + 3_600_000).toISOString(), '--to', join(out, 'by-time')],
        [store, '--to', store, '--overwrite'],
        ['--kind', 'mail-client', '--to', join(out, 'kind')],
      ];
      for (const words of ways) {
        const ended = await run('restore', ...words);
        expect(`${ended.json?.error?.code} ${words}`).toBe(`${code} ${words}`);
        expect(ended.stdout + ended.stderr).not.toContain('verified');
      }
      const written = readdirSync(out, { recursive: true, withFileTypes: true });
      for (const entry of written.filter((each) => each.isFile())) {
        if (entry.name.endsWith('.mailferry-part')) continue;
        expect(readFileSync(join(entry.parentPath, entry.name)).includes('macro')).toBe(false);
        expect(entry.name).not.toBe('Inbox');
      }
      expect(readFileSync(store).equals(before)).toBe(true);
      // To their own places, where what is there is in the way.
      writeFileSync(store, 'what was there');
      expect((await run('restore', '--kind', 'mail-client', '--overwrite')).json.error.code).toBe(code);
      expect(readFileSync(store, 'utf8')).toBe('what was there');
      const verified = await run('verify', store);
      expect(verified.code).not.toBe(0);
      expect(verified.json).toMatchObject({ verified: 0, failed: [{ code }] });
      expect(existsSync(join(home, '.thunderbird'))).toBe(true);
    });
  }

  test('H6: a forged base is no base: the device does not go on from it', { timeout: 120_000 }, async () => {
    const { root, server, store, run, pointTo } = await deviceWithMail();
    const all = (await run('versions')).json.versions as VersionSummary[];
    const { id } = all.find(({ path }) => path === store)!;
    const change = (answer: Answer, { url }: { url?: string | undefined }) => {
      if (answer.status >= 300 || !url!.startsWith('/v1/versions?')) return;
      const page = JSON.parse(answer.body.toString()) as { versions: VersionSummary[] };
      const forged = (each: VersionSummary) =>
        each.id === id ? { ...each, path: store, sequence: 900 } : each;
      answer.body = Buffer.from(JSON.stringify({ ...page, versions: page.versions.map(forged) }));
    };
    pointTo((await forge(server.port, { change })).url);
    // The device's own memory is lost, so that it asks the server.
    for (const name of readdirSync(join(root, 'state')).filter((each) => each.startsWith('device.db')))
      writeFileSync(join(root, 'state', name), '');
    const ended = await run('backup', store, '--wait', '--snapshot', 'live');
    expect(ended.code).not.toBe(0);
    expect(JSON.stringify(ended.json)).toContain('receipt_invalid');
  });

  test('H11: a false SHA-256 of the device is told, and the file, which the server proved, is restored', {
    timeout: 120_000,
  }, async () => {
    const { root, server, store, identity, run } = await deviceWithMail();
    const every = (await fetchAll(server.url, join(root, 'state'))) as VersionSummary[];
    const base = every.find(({ path }) => path === store)!;
    const { kind, mtime, takenAt, size, root: merkle, snapshot, health, healthNotes } = base;
    const changes = Buffer.from(encodeChangeList({ runs: [], coarse: [] }, sha256)).toString('base64');
    const about = { kind, mtime, takenAt, size, snapshot, health, healthNotes };
    const body = { ...about, path: store, base: base.id, complete: true, root: merkle, changes };
    const lie = 'ab'.repeat(32);
    const answer = await fetch(`${server.url}/v1/versions/0199a0e0-7b1c-4000-8000-000000000abc`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${identity.credential}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, sha256: lie }),
    });
    expect(answer.status).toBe(201);
    const to = join(root, 'restored');
    const ended = await run('restore', store, '--to', to);
    expect(ended).toMatchObject({ code: 0, json: { sha256: await sha256Of(store), statedSha256: lie } });
    expect(ended.stderr + ended.stdout).toContain('stated another SHA-256');
    expect(await sha256Of(to)).toBe(await sha256Of(store));
    const byKind = await run('restore', '--kind', 'mail-client', '--to', join(root, 'all'));
    const inbox = byKind.json.restored.find(({ path }: { path: string }) => path === store);
    expect(inbox).toMatchObject({ sha256: await sha256Of(store), statedSha256: lie });
    const verified = await run('verify', store);
    expect(verified).toMatchObject({
      code: 0,
      json: { verified: 1, failed: [], misstated: [{ path: store, statedSha256: lie }] },
    });
  });
});

/** Every version as the server says it. */
async function fetchAll(url: string, state: string): Promise<unknown> {
  const { credential } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8'));
  const answer = await fetch(`${url}/v1/versions`, { headers: { authorization: `Bearer ${credential}` } });
  return ((await answer.json()) as { versions: unknown }).versions;
}
