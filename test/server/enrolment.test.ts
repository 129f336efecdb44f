// Enrolment over HTTP: a token serves as often as it says and as long, however many ask at once.
import { afterAll, beforeAll, expect, it } from 'vitest';
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
