// The guards of the HTTP server: silence is cut, slowness and the server's own work are not.

import type { RequestListener, Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { createHttpServer, type ServerLimits } from '../../../server/http/http-server.ts';

const IDLE_MS = 300;
let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function listen(listener: RequestListener, limits: Partial<ServerLimits> = {}): Promise<number> {
  server = createHttpServer(listener, {
    connections: 10,
    connectionsPerAddress: 10,
    stallMs: IDLE_MS,
    leastBytesPerSecond: 5,
    ...limits,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Sends `pieces`, one each 100 ms, and returns what came back until the connection ended or `ms` were over. */
function talk(
  port: number,
  pieces: readonly string[],
  ms: number,
): Promise<{ text: string; isCut: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const timer = setTimeout(() => resolve({ text, isCut: false }), ms);
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve({ text, isCut: true });
    });
    for (const [index, piece] of pieces.entries()) setTimeout(() => socket.write(piece), index * 100);
  });
}

/** Asks from an address of this machine and stays; what came first, or nothing where the connection was closed instead. */
function open(port: number, localAddress: string): { socket: Socket; answered: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  onTestFinished(() => void socket.destroy());
  const answered = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.on('error', () => resolve(''));
    socket.once('close', () => resolve(''));
  });
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  return { socket, answered };
}

const POST = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n';

describe('the server', () => {
  it('cuts a connection whose body falls silent', async () => {
    const port = await listen((request, response) => {
      request.resume().on('end', () => response.end('done'));
    });
    expect((await talk(port, [POST, '12345'], 3_000)).isCut).toBe(true);
  });

  it('lets a slow body take its time', async () => {
    const port = await listen((request, response) => {
      request.resume().on('end', () => response.end('done'));
    });
    const { text } = await talk(port, [POST, ...'12345678901234567890'], 2_600);
    expect(text).toContain('done');
  });

  it('cuts a trickle, which is no silence', async () => {
    const port = await listen(
      (request, response) => {
        request.resume().on('end', () => response.end('done'));
      },
      { leastBytesPerSecond: 1_000 },
    );
    expect((await talk(port, [POST, ...'12345678901234567890'], 2_000)).isCut).toBe(true);
  });

  it('lets nobody be shut out by those who only hold connections', async () => {
    const port = await listen((_request, response) => response.end('served'));
    const idle = Array.from({ length: 30 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const { text } = await talk(port, ['GET / HTTP/1.1\r\nhost: x\r\n\r\n'], 200);
    expect(text).toContain('served');
    const count = await new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n)));
    expect(count).toBeLessThanOrEqual(10);
    for (const socket of idle) socket.destroy();
  });

  it('takes so many connections from one address, but from this machine’s own, where a proxy may be', async () => {
    const port = await listen((_request, response) => response.end('served'), {
      connections: 100,
      connectionsPerAddress: 3,
      stallMs: 10_000,
    });
    const served = async (localAddress: string, count: number) => {
      const clients = Array.from({ length: count }, () => open(port, localAddress));
      const said = await Promise.all(clients.map(({ answered }) => answered));
      return { clients, served: said.filter((text) => text.includes('served')).length };
    };
    const foreign = await served('127.0.0.2', 5);
    expect(foreign.served).toBe(3);
    expect((await served('127.0.0.3', 2)).served).toBe(2);
    expect((await served('127.0.0.1', 20)).served).toBe(20);
    // One that went makes room for another.
    expect((await served('127.0.0.2', 1)).served).toBe(0);
    for (const { socket } of foreign.clients) socket.destroy();
    await expect.poll(async () => (await served('127.0.0.2', 1)).served).toBe(1);
  });

  it('cuts one that does not come to the end of its headers, however often it says a little', async () => {
    const port = await listen((_request, response) => response.end('served'), {
      headersMs: 500,
      stallMs: 10_000,
    });
    const head = ['GET / HTTP/1.1\r\n', ...Array.from({ length: 30 }, (_, n) => `x-${n}: y\r\n`)];
    const began = Date.now();
    const { text, isCut } = await talk(port, [...head, '\r\n'], 3_000);
    expect([isCut, text.includes('served')]).toEqual([true, false]);
    expect(Date.now() - began).toBeLessThan(2_500);
    // Not even one that says nothing is kept.
    expect((await talk(port, [], 3_000)).isCut).toBe(true);
    expect((await talk(port, ['GET / HTTP/1.1\r\n', 'host: x\r\n\r\n'], 300)).text).toContain('served');
  });

  it('does not cut a client that waits for the server', async () => {
    const port = await listen((_request, response) => {
      setTimeout(() => response.end('at last'), 4 * IDLE_MS);
    });
    const { text } = await talk(port, ['GET / HTTP/1.1\r\nhost: x\r\n\r\n'], 1_800);
    expect(text).toContain('at last');
  });

  it('refuses what smuggles: two lengths, length and chunks, a bare line feed', async () => {
    const port = await listen((_request, response) => response.end('taken'));
    for (const head of [
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
      'POST / HTTP/1.1\nhost: x\n\n',
    ]) {
      expect((await talk(port, [head], 1_000)).text).toMatch(/^HTTP\/1\.1 400/);
    }
  });
});
