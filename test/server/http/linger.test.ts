// A refused request whose body is still coming: the client gets a while, and its connection keeps nothing of it.

import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { lingerThenCut } from '../../../server/http/linger.ts';

async function refusing() {
  const sockets: Socket[] = [];
  const server = createServer((raw: IncomingMessage, response) => {
    lingerThenCut(raw);
    response.writeHead(400).end('no');
    raw.resume();
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { sockets, port: (server.address() as AddressInfo).port };
}

test('a connection that carries many refused requests keeps nothing of them', async () => {
  const { sockets, port } = await refusing();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const listeners: number[] = [];
  for (let round = 0; round < 30; round++) {
    const asked = request({ port, agent, method: 'POST', headers: { 'content-length': 5 } });
    asked.end('hello');
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(400);
    await once(answer.resume(), 'end');
    listeners.push(sockets[0]!.listenerCount('close'));
  }
  expect(sockets).toHaveLength(1);
  expect(listeners.at(-1)).toBe(listeners[0]);
});

test('who goes on sending gets the answer, and is cut after a while', async () => {
  const { port } = await refusing();
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n');
  const sending = setInterval(() => socket.write('x'), 50);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  const answered = performance.now();
  expect(String(answer)).toMatch(/^HTTP\/1.1 400 /);
  await once(socket, 'close');
  clearInterval(sending);
  expect(performance.now() - answered).toBeGreaterThan(1_000);
});
