// TLS in front of a server that speaks plain HTTP, as a reverse proxy has it.
import { readFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Certificate } from './certificates.ts';

export interface TlsFront {
  readonly url: string;
  readonly port: number;
  close(): void;
}

/** Listens on `host` until the test has ended, and hands what comes to `port` of this machine. */
export async function tlsFront(
  { key, certificate }: Certificate,
  port: number,
  host = '127.0.0.1',
): Promise<TlsFront> {
  const open = new Set<Socket>();
  const server = tls.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
      socket.on('error', () => socket.destroy());
    }
    near.pipe(far).pipe(near);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const close = () => {
    for (const socket of open) socket.destroy();
    server.close();
  };
  onTestFinished(close);
  const { port: taken } = server.address() as AddressInfo;
  return { url: `https://${host}:${taken}`, port: taken, close };
}
