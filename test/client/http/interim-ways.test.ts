// Interim answers are asked for only where they were seen to arrive: ways that carry, swallow, spoil or delay them.
import http, { type RequestListener } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { HttpClient } from '../../../client/http/http-client.ts';
import { DECIDE_MS } from '../../../client/http/interim-ways.ts';
import { ROUTES } from '../../../shared/routes.ts';

async function listen(server: net.Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (handler: RequestListener) => listen(http.createServer(handler));

/** A way that answers each request with these bytes at the first byte of its body; of two, the second at its last byte. */
const raw = (...answers: (string | [string, string])[]) =>
  listen(
    net.createServer((socket) => {
      let at = 0;
      let heard = '';
      let parts = 0;
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
        const body = heard.split('\r\n\r\n')[1]?.length ?? 0;
        const answer = [answers[at % answers.length]!].flat();
        for (; parts < body; parts++) socket.write(answer[parts] ?? '');
        if (body < 2) return;
        at++;
        heard = '';
        parts = 0;
      });
    }),
  );

function client(): HttpClient {
  const made = new HttpClient();
  onTestFinished(() => made.close());
  return made;
}

/** A server as ours, which hints at the first byte of a body where `hint` says so, and answers behind the last one. */
const carrying = (hint: () => boolean = () => true): RequestListener => {
  return (request, response) => {
    request.once('data', () => {
      if (hint()) response.writeEarlyHints(HINT);
    });
    request.on('end', () => void response.writeHead(204, { 'mailferry-interim': '4' }).end());
    request.resume();
  };
};
const HINT = { link: '</>; rel=up', 'upload-offset': '0' };
/** A proxy that sends a whole body before it passes on what it hears, or that takes it whole before the server hears of it. */
const whole: RequestListener = async (request, response) => {
  await request.toArray().catch(() => []);
  response.writeEarlyHints(HINT);
  response.writeHead(204, { 'mailferry-interim': '4' }).end();
};

const INTERIM = `HTTP/1.1 103 Early Hints\r\nlink: <${ROUTES.uploads}>; rel=up\r\nupload-offset: 0\r\n\r\n`;
const FINAL = 'HTTP/1.1 204 No Content\r\nmailferry-interim: 4\r\n\r\n';

test('F3: a way that carries them is asked once, on a connection that carries nothing else', async () => {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const url = await serve((request, response) => {
    asked.push(request.url!);
    sockets.add(request.socket);
    carrying()(request, response);
  });
  const http = client();
  await Promise.all([1, 2, 3].map(() => http.interim.carries(url, {})));
  expect(await http.interim.carries(url, {})).toBe(true);
  (await http.send({ method: 'GET', url: `${url}/other` })).body.resume();
  expect(asked).toEqual([ROUTES.interim, ROUTES.interim, '/other']);
  expect(sockets.size).toBe(2);
  await expect.poll(() => [...sockets].filter((socket) => socket.destroyed).length).toBe(1);
});

const WAYS: [string, () => Promise<string>][] = [
  ['swallows them', () => raw(FINAL)],
  ['carries one of a first request', () => raw([INTERIM, FINAL], ['', FINAL])],
  ['takes a whole body first', () => serve(whole)],
  ['is a server of 0.1', () => serve((_, response) => void response.writeHead(404).end('{}'))],
  ['asks for a login', () => serve((_, response) => void response.end('<html>'))],
  ['answers 204 to everything', () => raw([INTERIM, 'HTTP/1.1 204 No Content\r\n\r\n'])],
  ['takes the 103 for the answer', () => raw(INTERIM)],
  ['gives the rest of the first answer to the second request', () => raw(INTERIM, FINAL)],
  ['carries one and then no second request', () => raw([INTERIM, FINAL], '')],
  ['makes a body of it', () => raw(`HTTP/1.1 200 OK\r\ncontent-length: ${FINAL.length}\r\n\r\n${FINAL}`)],
  ['repeats it', () => raw([INTERIM + INTERIM, FINAL])],
  ['resets the connection', () => serve((request) => request.socket.resetAndDestroy())],
  ['never answers', () => serve(() => undefined)],
  ['is not there', async () => 'http://127.0.0.1:1'],
];

test.each(WAYS)(
  'F2: a way that %s does not carry them, which is decided in time and remembered',
  async (_, way) => {
    const url = await way();
    const http = client();
    const before = performance.now();
    expect(await http.interim.carries(url, {})).toBe(false);
    // Decided by then; the rest is what a machine under load takes.
    expect(performance.now() - before).toBeLessThan(DECIDE_MS + 300);
    await new Promise((resolve) => setTimeout(resolve, 2 * DECIDE_MS + 100));
    const again = performance.now();
    expect(await http.interim.carries(url, {})).toBe(false);
    expect(performance.now() - again).toBeLessThan(DECIDE_MS / 2);
  },
);

test('F3: after a doubt the way is asked anew', async () => {
  let carries = true;
  const url = await serve(carrying(() => carries));
  const http = client();
  expect(await http.interim.carries(url, {})).toBe(true);
  carries = false;
  expect(await http.interim.carries(url, {})).toBe(true);
  http.interim.doubt(url);
  expect(await http.interim.carries(url, {})).toBe(false);
});
