// Many connections at once: who is nobody's known goes first, small bodies have their time, and a network counts as one client.
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { frontOf } from '../../../server/front.ts';
import { clientNetwork } from '../../../server/http/client-network.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.dispose();
});

/** A connection that says the beginning of an enrolment and goes on with a byte now and then. */
function trickle(ended: () => void = () => undefined): Promise<void> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  const timer = setInterval(() => socket.write(' '), 500);
  socket.once('close', () => {
    clearInterval(timer);
    ended();
  });
  socket.write(
    'POST /v1/devices HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{',
  );
  return new Promise((resolve) => socket.once('connect', () => resolve()));
}

/** The status of an answer to a device, on a connection of its own. */
function ask(credential: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${credential}` };
    request(`${server.url}/v1/versions`, { agent: false, headers }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
  });
}

test('H4: those who trickle without a credential, however many, shut no device out', async () => {
  server = await TestServer.start({ limits: { connections: 40, connectionsPerAddress: 1_000 } });
  const device = await server.enrol();
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 80 }, () => trickle()));
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(device.credential)));
    expect(answers).toEqual(Array.from({ length: 8 }, () => 200));
  }
});

test('H4: a client behind a named proxy is counted by X-Forwarded-For, whatever it writes before it; others are not', async () => {
  server = await TestServer.start({ front: frontOf({ proxies: ['127.0.0.1', '10.9.0.0/16'] }) });
  const enrol = (said?: string): Promise<number> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      sockets.push(socket);
      const header = said === undefined ? '' : `x-forwarded-for: ${said}\r\n`;
      socket.on('error', () => undefined);
      socket.once('data', (data) => resolve(Number(String(data).split(' ')[1])));
      setTimeout(() => resolve(0), 1_500);
      socket.write(
        `POST /v1/devices HTTP/1.1\r\nhost: x\r\n${header}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
      );
    });
  const of = async (count: number, said: (n: number) => string | undefined) => {
    const all = await Promise.all(Array.from({ length: count }, (_, n) => enrol(said(n))));
    return all.filter((status) => status === 429).length;
  };
  expect(await of(40, (n) => `1.2.3.${n}, 2001:db8::${n}, 10.9.0.7`)).toBe(8);
  expect(await of(10, () => '203.0.113.5')).toBe(0);
  expect(await of(40, () => undefined)).toBe(0);
});

test('H4: a small body has ten seconds in all, however it trickles', async () => {
  server = await TestServer.start();
  const began = Date.now();
  await new Promise<void>((resolve) => void trickle(resolve));
  const took = Date.now() - began;
  expect(took).toBeGreaterThan(8_000);
  expect(took).toBeLessThan(20_000);
});

test('H4: an IPv6 client is its /64, an IPv4 one its address', () => {
  const same = ['2001:db8:1:2::1', '2001:0db8:1:2:ffff::', '2001:db8:1:2:3:4:5:6', '2001:DB8:1:2::'];
  expect(new Set(same.map(clientNetwork)).size).toBe(1);
  expect(clientNetwork('2001:db8:1:3::1')).not.toBe(clientNetwork(same[0]!));
  expect(clientNetwork('::1')).toBe(clientNetwork('::2'));
  expect(clientNetwork('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
  expect(clientNetwork('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(clientNetwork('10.0.0.1')).toBe('10.0.0.1');
});
