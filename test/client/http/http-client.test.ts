// Requests that can't hang: silence is noticed, refusals are answers, and no more than a window is on its way.
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { failureOf } from '../../../client/http/failure-of-answer.ts';
import { HttpClient, readText } from '../../../client/http/http-client.ts';
import type { BodySource } from '../../../client/http/send-body.ts';

async function serve(handler: http.RequestListener): Promise<string> {
  const server = http.createServer(handler);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function client(stallMs = 300): HttpClient {
  const http = new HttpClient({ stallMs });
  onTestFinished(() => http.close());
  return http;
}

function zeros(length: number, onRead: (at: number) => void = () => {}): BodySource {
  return {
    length,
    read: async (at, into) => {
      onRead(at);
      return into
        .fill(0, 0, Math.min(into.length, length - at))
        .subarray(0, Math.min(into.length, length - at)).length;
    },
  };
}

describe('silence', () => {
  test('before an answer', async () => {
    const url = await serve(() => {});
    await expect(client().send({ method: 'GET', url })).rejects.toMatchObject({ code: 'stalled' });
  });

  test('in the middle of an answer', async () => {
    const url = await serve(
      (_, response) => void response.writeHead(200, { 'content-length': 10 }).write('12345'),
    );
    const response = await client().send({ method: 'GET', url });
    await expect(readText(response)).rejects.toMatchObject({ code: 'stalled' });
  });

  test('of a server that reads no body', async () => {
    const url = await serve((request) => request.pause());
    const sending = client().send({ method: 'PATCH', url, body: zeros(64 * 1_048_576), window: 1_048_576 });
    await expect(sending).rejects.toMatchObject({ code: 'stalled' });
  });
});

test('a connection that is not there is unreachable', async () => {
  await expect(client().send({ method: 'GET', url: 'http://127.0.0.1:1/' })).rejects.toMatchObject({
    code: 'unreachable',
  });
});

test('a connection that is reset is unreachable', async () => {
  const url = await serve((request) => request.socket.resetAndDestroy());
  await expect(client().send({ method: 'GET', url })).rejects.toMatchObject({ code: 'unreachable' });
});

test('an early refusal of a body is an answer', async () => {
  const url = await serve(
    (_, response) => void response.writeHead(413, { connection: 'close' }).end('too large'),
  );
  const response = await client(5_000).send({ method: 'POST', url, body: zeros(50 * 1_048_576) });
  expect(response.status).toBe(413);
  response.body.destroy();
});

test('no more than the window is sent beyond what was acknowledged', async () => {
  const window = 786_432;
  let acknowledged = 0;
  let most = 0;
  const url = await serve((request, response) => {
    let received = 0;
    request.on('data', (bytes: Buffer) => {
      received += bytes.length;
      setTimeout(() => {
        acknowledged = Math.max(acknowledged, received);
        response.writeEarlyHints({ link: '</>; rel=self', 'upload-offset': String(received) });
      }, 5);
    });
    request.on('end', () => setTimeout(() => response.end('done'), 20));
  });
  const body = zeros(6_000_000, (at) => {
    most = Math.max(most, at - acknowledged);
  });
  const response = await client(5_000).send({ method: 'PATCH', url, body, window });
  expect(await readText(response)).toBe('done');
  expect(most).toBeLessThanOrEqual(window);
  expect(acknowledged).toBe(6_000_000);
});

describe('F11: where every connection that is used again is reset', () => {
  /** Resets (or ends) each connection at its second request; the requests that it answered. */
  async function resetting(end: (socket: Socket) => void): Promise<{ url: string; answered: string[] }> {
    const used = new WeakSet<Socket>();
    const answered: string[] = [];
    const url = await serve((request, response) => {
      if (used.has(request.socket)) return end(request.socket);
      used.add(request.socket);
      request.resume().on('end', () => {
        answered.push(request.method!);
        response.end('done');
      });
    });
    return { url, answered };
  }

  test.each([
    ['reset', (socket: Socket) => void socket.resetAndDestroy()],
    ['closed', (socket: Socket) => void socket.destroy()],
  ])('%s: what can be repeated is, at once, and what follows has connections of its own', async (_, end) => {
    const { url, answered } = await resetting(end);
    const http = client(5_000);
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'GET']) {
      const body = method === 'PUT' || method === 'PATCH' ? { body: zeros(300_000) } : {};
      await readText(await http.send({ method, url, ...body }));
    }
    expect(answered).toEqual(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'GET']);
  });

  test('a PATCH is not repeated of itself, but the next request gets a fresh connection', async () => {
    const { url, answered } = await resetting((socket) => void socket.resetAndDestroy());
    const http = client(5_000);
    await readText(await http.send({ method: 'GET', url }));
    const patch = () => http.send({ method: 'PATCH', url, body: zeros(300_000) });
    await expect(patch()).rejects.toMatchObject({ code: 'unreachable' });
    await readText(await patch());
    expect(answered).toEqual(['GET', 'PATCH']);
  });

  test('a question is repeated, whatever its method', async () => {
    const { url, answered } = await resetting((socket) => void socket.resetAndDestroy());
    const http = client(5_000);
    await readText(await http.send({ method: 'GET', url }));
    const question = { method: 'POST', url, isQuestion: true, body: zeros(3_000) };
    expect(await readText(await http.send(question))).toBe('done');
    expect(answered).toEqual(['GET', 'POST']);
  });

  test('a connection of its own is asked to be kept, so that interim answers come, and ends with its answer', async () => {
    const asked: (string | undefined)[] = [];
    const sockets = new Set<Socket>();
    const url = await serve((request, response) => {
      asked.push(request.headers.connection);
      if (sockets.has(request.socket)) return void request.socket.resetAndDestroy();
      sockets.add(request.socket);
      response.end('done');
    });
    const http = client(5_000);
    for (let times = 0; times < 4; times++) await readText(await http.send({ method: 'GET', url }));
    expect(asked).toEqual(Array(5).fill('keep-alive'));
    await expect.poll(() => [...sockets].every(({ destroyed }) => destroyed)).toBe(true);
  });

  test('a client that is closed repeats nothing', async () => {
    const asked: string[] = [];
    const url = await serve((request, response) => {
      asked.push(request.url!);
      if (asked.length === 1) response.end('done');
    });
    const http = client(5_000);
    await readText(await http.send({ method: 'GET', url }));
    const silent = http.send({ method: 'GET', url });
    await expect.poll(() => asked.length).toBe(2);
    http.close();
    await expect(silent).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked).toHaveLength(2);
  });
});

test.each([
  [401, {}, 'unreachable'],
  [403, {}, 'unreachable'],
  [404, {}, 'unreachable'],
  [413, {}, 'too_large'],
  [429, { 'retry-after': '7' }, 'busy'],
  [500, {}, 'unreachable'],
  [503, { 'retry-after': '7' }, 'busy'],
  [507, {}, 'server_full'],
])('an answer %d that is no problem of ours', (status, headers, code) => {
  const failure = failureOf(status, headers, 'not json');
  expect(failure.code).toBe(code);
  if ('retry-after' in headers) expect(failure.detail.retryAfterMs).toBe(7_000);
});

test.each([
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [404, 'not_found'],
  [410, 'upload_gone'],
])('an answer %d of ours without a body, as to HEAD', (status, code) => {
  const type = { 'content-type': 'application/problem+json; charset=utf-8' };
  expect(failureOf(status, type, '').code).toBe(code);
});

test('a problem of ours keeps its code, its sentence and its facts', () => {
  const body = {
    type: 'about:blank',
    title: 'Packs are missing.',
    status: 409,
    code: 'packs_missing',
    detail: { missing: ['a'] },
  };
  const failure = failureOf(409, {}, JSON.stringify(body));
  expect(failure).toMatchObject({
    code: 'packs_missing',
    message: 'Packs are missing.',
    detail: { missing: ['a'] },
  });
});
