// The device's view of the server, where the server refuses its credential: one that was put in its place is taken up by every call.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { HttpClient } from '../../../client/http/http-client.ts';
import { ServerClient } from '../../../client/http/server-client.ts';

const PACK = 'a'.repeat(64);

/** A server that lets `good` in; what it was asked with. */
function serverOf(good: string) {
  const asked: (string | undefined)[] = [];
  const http = {
    send: async ({ headers }: { headers: Record<string, string> }) => {
      asked.push(headers.authorization);
      const status = headers.authorization === `Bearer ${good}` ? 200 : 401;
      const problem = { type: 'about:blank', title: 'No.', status, code: 'unauthorized', detail: 'No.' };
      return {
        status,
        headers: { 'content-type': status === 200 ? 'application/json' : 'application/problem+json' },
        body: Readable.from([Buffer.from(JSON.stringify(status === 200 ? { id: PACK } : problem))]),
      };
    },
  };
  return { http: http as unknown as HttpClient, asked };
}

test('a new credential is asked for when the one in use is refused, used at once, and kept', async () => {
  const { http, asked } = serverOf('new');
  const client = new ServerClient(http, 'http://s', 'old', async () => 'new');
  expect(await client.knowsPack(PACK)).toBe(true);
  expect(await client.knowsPack(PACK)).toBe(true);
  expect(asked).toEqual(['Bearer old', 'Bearer new', 'Bearer new']);
});

test.each<[string, (() => Promise<string | null>) | undefined, number]>([
  ['nobody is asked', undefined, 1],
  ['there is none', async () => null, 1],
  ['it is the same', async () => 'old', 1],
  ['it is refused, too', async () => 'wrong', 2],
])('where %s, it stays refused', async (_, newCredential, asks) => {
  const { http, asked } = serverOf('new');
  const client = new ServerClient(http, 'http://s', 'old', newCredential);
  await expect(client.knowsPack(PACK)).rejects.toMatchObject({ code: 'unauthorized' });
  expect(asked).toHaveLength(asks);
});
