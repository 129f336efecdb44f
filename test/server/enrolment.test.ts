// Enrolment over HTTP: a token serves as often as it says and as long, however many ask at once.
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestServer } from './support/test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.dispose());

function enrol(body: unknown): Promise<Response> {
  return fetch(`${server.url}/v1/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

it('gives a device, a credential and the key of its receipts, once', async () => {
  const token = await server.token();
  const first = await enrol({ token, name: 'Ännes Laptop' });
  expect(first.status).toBe(201);
  const body = (await first.json()) as Record<string, string>;
  expect(body.device).toMatch(/^[0-9a-f]{32}$/);
  expect(body.receiptKey).toContain('BEGIN PUBLIC KEY');
  const second = await enrol({ token, name: 'thief' });
  expect(second.status).toBe(403);
  expect(second.headers.get('content-type')).toContain('application/problem+json');
  expect(await second.json()).toMatchObject({ code: 'token_refused', status: 403 });
});

it('keeps neither a token nor a credential in a form that anyone could use', async () => {
  const unused = await server.token();
  const used = await server.token();
  const answer = await enrol({ token: used, name: 'kept nowhere' });
  const { device, credential } = (await answer.json()) as Record<string, string>;
  const files = readdirSync(server.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const named = (end: string) => files.filter((file) => file.endsWith(end));
  expect([named('catalogue.db'), named('catalogue.db-wal')].flat()).toHaveLength(2);
  expect(files.filter((file) => file.includes(join('vaults', device!)))).not.toEqual([]);
  const kept = Buffer.concat(files.map((file) => readFileSync(file)));
  // What is looked for would be found: the name of the device is there.
  expect(kept.includes('kept nowhere')).toBe(true);
  for (const secret of [unused, used, credential!]) {
    const bytes = Buffer.from(secret, 'base64url');
    for (const form of [secret, bytes, bytes.toString('hex'), bytes.toString('base64')])
      expect(kept.includes(form)).toBe(false);
  }
});

it('answers used up, expired and unknown tokens alike', async () => {
  const expired = await server.token(1, 1_000);
  const used = await server.token();
  await enrol({ token: used, name: 'first' });
  server.clock += 1_001;
  const answers = await Promise.all(
    [expired, used, 'x'.repeat(43)].map((token) => enrol({ token, name: 'n' })),
  );
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  expect(new Set(bodies).size).toBe(1);
});

it('lets exactly one of 20 at once have a token of one use, and five one of five', async () => {
  for (const uses of [1, 5]) {
    const token = await server.token(uses);
    const answers = await Promise.all(Array.from({ length: 20 }, () => enrol({ token, name: 'racer' })));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(uses);
    expect(answers.filter((answer) => answer.status === 403)).toHaveLength(20 - uses);
  }
});

it('refuses what is no enrolment request, and names the mistakes', async () => {
  for (const body of [{}, { token: '', name: 'n' }, { token: 't', name: 'n', more: 1 }, [], null, 'text']) {
    const answer = await enrol(body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'malformed' });
  }
});

it('answers 401 alike without a credential, with a wrong one and with one of another form', async () => {
  const answers = await Promise.all(
    [undefined, 'Bearer ', `Bearer ${'A'.repeat(43)}`, 'Basic dTpw', `Bearer ${'A'.repeat(5_000)}`].map(
      (value) =>
        fetch(`${server.url}/v1/versions`, value === undefined ? {} : { headers: { authorization: value } }),
    ),
  );
  for (const answer of answers) {
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  }
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  expect(new Set(bodies).size).toBe(1);
});

describe('a token that is bound to a device', () => {
  const versionsWith = async (credential: string): Promise<number> => {
    const headers = { authorization: `Bearer ${credential}` };
    return (await fetch(`${server.url}/v1/versions`, { headers })).status;
  };

  it('gives that device a new credential, its only one, and keeps its id, its name and the key', async () => {
    const device = await server.enrol('kept');
    const token = await server.token(1, 60_000, device.device);
    const answer = await enrol({ token, name: 'ignored', device: device.device });
    expect(answer.status).toBe(201);
    const body = (await answer.json()) as Record<string, string>;
    expect(body).toMatchObject({ device: device.device, receiptKey: device.receiptKey, renewed: true });
    expect(await versionsWith(body.credential!)).toBe(200);
    expect(await versionsWith(device.credential)).toBe(401);
    const known = (await server.running.catalogue.enrolment.devices()).find(({ id }) => id === device.device);
    expect(known).toMatchObject({ name: 'kept', revokedAt: null });
    await server.restart();
    expect(await versionsWith(body.credential!)).toBe(200);
    expect((await enrol({ token, name: 'n', device: device.device })).status).toBe(403);
  });

  it('serves a machine that is no device yet, too: it becomes that one', async () => {
    const device = await server.enrol();
    const answer = await enrol({ token: await server.token(1, 60_000, device.device), name: 'n' });
    expect(await answer.json()).toMatchObject({ device: device.device, renewed: true });
  });

  it('is refused to another device, and is as good as before then; and no device is renewed by any other token', async () => {
    const [mine, foreign] = [await server.enrol(), await server.enrol()];
    const bound = await server.token(1, 60_000, mine.device);
    const unbound = await server.token();
    const answers = await Promise.all([
      enrol({ token: bound, name: 'n', device: foreign.device }),
      enrol({ token: bound, name: 'n', device: 'f'.repeat(32) }),
      enrol({ token: unbound, name: 'n', device: mine.device }),
      enrol({ token: 'x'.repeat(43), name: 'n', device: mine.device }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).toBe(1);
    expect([await versionsWith(mine.credential), await versionsWith(foreign.credential)]).toEqual([200, 200]);
    expect((await enrol({ token: bound, name: 'n', device: mine.device })).status).toBe(201);
    expect((await enrol({ token: unbound, name: 'n' })).status).toBe(201);
  });

  it('lets a device in again that was revoked', async () => {
    const device = await server.enrol();
    await server.running.catalogue.enrolment.revoke(device.device, '2026-01-01T00:00:00.000Z');
    expect(await versionsWith(device.credential)).toBe(401);
    const answer = await enrol({ token: await server.token(1, 60_000, device.device), name: 'n' });
    const { credential } = (await answer.json()) as { credential: string };
    expect(await versionsWith(credential)).toBe(200);
  });

  it('is no path: what is no id of a device is refused as malformed', async () => {
    const answer = await enrol({ token: 't', name: 'n', device: '../x' });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'malformed']);
  });

  it('is good for nothing once its device was revoked, had another made, or was renewed by another', async () => {
    const device = await server.enrol();
    const { enrolment } = server.running.catalogue;
    const tokenFor = () => server.token(1, 60_000, device.device);
    const status = async (token: string) => (await enrol({ token, name: 'n' })).status;
    const leaked = await tokenFor();
    await enrolment.revoke(device.device, '2026-01-01T00:00:00.000Z');
    expect(await status(leaked)).toBe(403);
    const [first, second] = [await tokenFor(), await tokenFor()];
    expect([await status(first), await status(second)]).toEqual([403, 201]);
  });

  it('has its effect kept by the vault: an older catalogue lets the old credential in no more, and no older token serves', async () => {
    const device = await server.enrol();
    const token = await server.token(1, 60_000, device.device);
    await server.stop();
    const catalogue = join(server.directory, 'catalogue.db');
    copyFileSync(catalogue, `${catalogue}.old`);
    await server.start();
    const { credential } = (await (await enrol({ token, name: 'n' })).json()) as { credential: string };
    await server.stop();
    for (const ending of ['-wal', '-shm']) rmSync(catalogue + ending, { force: true });
    renameSync(`${catalogue}.old`, catalogue);
    await server.start();
    expect([await versionsWith(device.credential), await versionsWith(credential)]).toEqual([401, 200]);
    expect((await enrol({ token, name: 'n' })).status).toBe(403);
  });
});
