// The counting proxy: passes bytes unchanged, counts both directions, passes an end on, and is gone afterwards.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { withCountingProxy } from './counting-proxy.ts';

const REQUEST = Buffer.alloc(3_000_000, 'mail');
const ANSWER = Buffer.from('all of it arrived');

/** Reads to the end of the request, then answers with its length in front. */
async function withTarget(use: (port: number) => Promise<void>): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let got = 0;
    socket.on('data', (chunk) => {
      got += chunk.length;
    });
    socket.on('end', () => socket.end(`${got} ${ANSWER}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  await use(address.port).finally(() => server.close());
}

async function ask(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(REQUEST);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

it('counts what passes, in both directions and over several connections', async () => {
  await withTarget((target) =>
    withCountingProxy(target, async (proxy) => {
      const answer = `${REQUEST.length} ${ANSWER}`;
      expect(await Promise.all([ask(proxy.port), ask(proxy.port)])).toEqual([answer, answer]);
      expect(proxy.count()).toEqual({ up: 2 * REQUEST.length, down: 2 * answer.length });
    }),
  );
});

it('ends the connection when there is no target', async () => {
  let gone = 0;
  await withTarget(async (target) => {
    gone = target;
  });
  await withCountingProxy(gone, async (proxy) => {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(proxy.count().down).toBe(0);
  });
});

it('listens no longer than it is used', async () => {
  const port = await withCountingProxy(1, async (proxy) => proxy.port);
  const socket = connect(port, '127.0.0.1');
  const [error] = await once(socket, 'error');
  expect(error.code).toBe('ECONNREFUSED');
});
