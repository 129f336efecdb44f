// A plain tus upload of the whole file, with the stock client and the stock server: what any tus client can do.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, withServer } from '../child.ts';
import { type CountingProxy, withCountingProxy } from '../counting-proxy.ts';
import { listeningPort, overTheWire, type Wire } from './over-the-wire.ts';
import type { Peer, Protection } from './peer.ts';

const SERVER = new URL('./tus-server-main.js', import.meta.url);
const CLIENT = new URL('./tus-client-main.js', import.meta.url);

export const tus: Peer = {
  name: 'tus',
  how: 'whole file each time, tus-js-client to @tus/server with its FileStore',
  measure: 'wire',
  missing: () => undefined,
  run: (room, use) => {
    const files = join(room.directory, 'files');
    mkdirSync(files);
    return withServer(script(SERVER, files), room.signal, async (server) =>
      withCountingProxy(listeningPort(await server.firstLine), (proxy) =>
        use(protection({ proxy, serverPid: server.pid, room }, files)),
      ),
    );
  },
};

function protection(wire: Wire & { readonly proxy: CountingProxy }, files: string): Protection {
  let last: string | undefined;
  return {
    backup: async (path) => {
      const endpoint = `http://127.0.0.1:${wire.proxy.port}/files`;
      const { cost, stdout } = await overTheWire(wire, script(CLIENT, 'send', path, endpoint));
      // stock tus keeps every upload for ever; five whole files are more than the disk need bear
      if (last !== undefined) rmSync(join(files, idOf(last)));
      last = stdout.trim();
      return cost;
    },
    restore: async (_path, to) => {
      if (last === undefined) throw new Error('nothing has been uploaded');
      return (await overTheWire(wire, script(CLIENT, 'fetch', last, to))).cost;
    },
  };
}

function idOf(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? '';
}

function script(url: URL, ...args: string[]): Program {
  return { command: process.execPath, args: [fileURLToPath(url), ...args] };
}
