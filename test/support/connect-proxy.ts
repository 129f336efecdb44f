// An HTTP proxy that knows CONNECT alone (RFC 9110 9.3.6), asks for a password where it is given one, and counts.
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ConnectProxy {
  readonly port: number;
  /** What was asked for and let through, as host:port, in order. */
  readonly let: string[];
  /** Answers of 407. */
  readonly refused: () => number;
}

export interface ConnectProxyOptions {
  readonly host?: string;
  /** user:password */
  readonly credentials?: string;
  /** Where a name leads that is known here alone. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Answers every CONNECT so. */
  readonly status?: number;
  readonly scheme?: string;
}

/** Listens until the test has ended. */
export async function connectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const { host = '127.0.0.1', credentials, hosts = {}, status, scheme = 'Basic realm="x"' } = options;
  const wanted =
    credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
  const letThrough: string[] = [];
  const open = new Set<Socket>();
  let refused = 0;
  const server = http.createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, near: Socket) => {
    near.on('error', () => near.destroy());
    if (status !== undefined) {
      near.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      return;
    }
    if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
      refused++;
      near.end(`HTTP/1.1 407 Who\r\nProxy-Authenticate: ${scheme}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const far = net.connect(Number(port), hosts[hostname] ?? hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    far.once('connect', () => {
      letThrough.push(request.url!);
      near.write('HTTP/1.1 200 Go\r\n\r\n');
      near.pipe(far).pipe(near);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, let: letThrough, refused: () => refused };
}
