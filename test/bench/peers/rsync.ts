// rsync -z into an rsync daemon on loopback, with its own choice of block size or one that suits a PST.
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, type Program, withServer } from '../child.ts';
import { withCountingProxy } from '../counting-proxy.ts';
import { overTheWire, type Wire } from './over-the-wire.ts';
import type { Peer, Protection, Room } from './peer.ts';

/** A daemon that has not opened its port by then has not understood its configuration. */
const START_TRIES = 100;
const START_PAUSE_MS = 50;

export const rsync = rsyncPeer('rsync', 'daemon on loopback, -z --inplace --no-whole-file', []);
/** 8 KiB: the size of a PST's data blocks, the best of rsync's block sizes for a fresh store. */
export const rsync8k = rsyncPeer('rsync8k', 'as rsync, --block-size=8192', ['--block-size=8192']);

function rsyncPeer(name: string, how: string, options: readonly string[]): Peer {
  return {
    name,
    how,
    measure: 'wire',
    missing: () => (findProgram('rsync') === undefined ? 'not installed: apt install rsync' : undefined),
    run: async (room, use) => {
      const port = await freePort();
      return withServer(daemon(room, port), room.signal, async (server) => {
        await accepts(port);
        return withCountingProxy(port, (proxy) =>
          use(
            protection(
              { proxy, serverPid: server.pid, room },
              `rsync://127.0.0.1:${proxy.port}/vault/`,
              options,
            ),
          ),
        );
      });
    },
  };
}

function protection(wire: Wire, module: string, options: readonly string[]): Protection {
  const rsync = (...args: string[]): Program => ({ command: 'rsync', args: ['-z', '--times', ...args] });
  return {
    backup: async (path) =>
      (await overTheWire(wire, rsync('--inplace', '--no-whole-file', ...options, path, module))).cost,
    restore: async (path, to) => (await overTheWire(wire, rsync(`${module}${basename(path)}`, to))).cost,
  };
}

function daemon(room: Room, port: number): Program {
  const vault = join(room.directory, 'vault');
  mkdirSync(vault);
  const config = join(room.directory, 'rsyncd.conf');
  // the daemon of root would drop to nobody, and that of anybody else could not
  const lines = [
    'use chroot = no',
    `uid = ${process.getuid?.() ?? 0}`,
    `gid = ${process.getgid?.() ?? 0}`,
    `log file = ${join(room.directory, 'rsyncd.log')}`,
    '[vault]',
    `path = ${vault}`,
    'read only = no',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return {
    command: 'rsync',
    args: ['--daemon', '--no-detach', `--config=${config}`, '--address=127.0.0.1', `--port=${port}`],
  };
}

/** rsync cannot pick a port by itself. Somebody else may take this one first: the daemon would say so and end. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function accepts(port: number): Promise<void> {
  for (let i = 0; i < START_TRIES; i++) {
    if (await connects(port)) return;
    await sleep(START_PAUSE_MS);
  }
  throw new Error(`the rsync daemon does not listen on port ${port}`);
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
