// A TCP proxy on loopback that counts what passes, headers of HTTP or rsync included, in both directions.
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Payload of TCP: the headers of TCP and IP, some 3 % of full segments, are not in it. */
type WireCount = { readonly up: number; readonly down: number };

export type CountingProxy = {
  readonly port: number;
  /** Since the proxy started. A caller takes two and subtracts. */
  readonly count: () => WireCount;
};

/** Listens on a port of its own while `use` runs, and passes every connection on to the target's port. */
export async function withCountingProxy<T>(
  targetPort: number,
  use: (proxy: CountingProxy) => Promise<T>,
): Promise<T> {
  let up = 0;
  let down = 0;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (device) => {
    const target = connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true });
    for (const socket of [device, target]) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    }
    pass(device, target, (bytes) => {
      up += bytes;
    });
    pass(target, device, (bytes) => {
      down += bytes;
    });
  });
  const port = await listen(server);
  try {
    return await use({ port, count: () => ({ up, down }) });
  } finally {
    for (const socket of open) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

/** One direction. Reads no faster than the other side takes; an end is passed on, a failure ends both. */
function pass(from: Socket, to: Socket, counted: (bytes: number) => void): void {
  from.on('data', (chunk) => {
    counted(chunk.length);
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('error', () => to.destroy());
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the proxy has no port'));
      else resolve(address.port);
    });
  });
}
