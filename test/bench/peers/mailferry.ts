// Mailferry as it is built: its server and its command line, each a process of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, runToEnd, withServer } from '../child.ts';
import { withCountingProxy } from '../counting-proxy.ts';
import { listeningPort, overTheWire, type Wire } from './over-the-wire.ts';
import type { Peer, Protection, Room } from './peer.ts';

/** From dist/test/bench/peers/. */
const COMMAND_LINE = fileURLToPath(new URL('../../../client/mailferry.js', import.meta.url));

/** Bytes are counted by a proxy, a third process on the same cores. */
export const mailferry: Peer = {
  name: 'mailferry',
  how: 'server and device on loopback, through the counting proxy; live snapshot',
  measure: 'wire',
  missing,
  run: (room, use) =>
    withMailferry(room, (port, serverPid, state) =>
      withCountingProxy(port, async (proxy) =>
        use(await enrolled({ proxy, serverPid, room }, state, proxy.port)),
      ),
    ),
};

/** Times without the proxy's work, which no user has. */
export const mailferryDirect: Peer = {
  name: 'mailferry-direct',
  how: 'server and device on loopback, nothing between them; live snapshot',
  measure: 'wire',
  missing,
  run: (room, use) =>
    withMailferry(room, async (port, serverPid, state) =>
      use(await enrolled({ proxy: undefined, serverPid, room }, state, port)),
    ),
};

function missing(): string | undefined {
  return existsSync(COMMAND_LINE) ? undefined : 'not built: npm run build';
}

function withMailferry<T>(
  room: Room,
  use: (port: number, serverPid: number, state: string) => Promise<T>,
): Promise<T> {
  const serve = command('server', '--data', dataOf(room), '--listen', '127.0.0.1:0', '--json');
  return withServer(serve, room.signal, async (server) =>
    use(listeningPort(await server.firstLine), server.pid, join(room.directory, 'state')),
  );
}

async function enrolled(wire: Wire, state: string, port: number): Promise<Protection> {
  await enroll(wire.room, dataOf(wire.room), state, `http://127.0.0.1:${port}`);
  return protection(wire, state);
}

function dataOf(room: Room): string {
  return join(room.directory, 'data');
}

async function enroll(room: Room, data: string, state: string, server: string): Promise<void> {
  const created = await runToEnd(command('server', 'token', 'create', '--data', data, '--json'), room.signal);
  const { token } = lastObject<{ token: string }>(created.stdout);
  await runToEnd(
    command('enroll', '--server', server, '--token', token, '--state', state, '--json'),
    room.signal,
  );
}

type BackupReport = {
  versions: { receipt: unknown }[];
  unchanged: number;
  failed: { code: string; message: string }[];
};

function protection(wire: Wire, state: string): Protection {
  return {
    backup: async (path) => {
      const args = ['backup', path, '--wait', '--snapshot', 'live', '--state', state, '--json'];
      const { cost, stdout } = await overTheWire(wire, command(...args));
      checkBackup(lastObject(stdout));
      return cost;
    },
    restore: async (path, to) => {
      const { cost } = await overTheWire(
        wire,
        command('restore', path, '--to', to, '--state', state, '--json'),
      );
      return cost;
    },
  };
}

/** An exit code of 0 is not enough: a backup counts only with its receipt. */
function checkBackup(report: BackupReport): void {
  const [failure] = report.failed;
  if (failure !== undefined) throw new Error(`${failure.code}: ${failure.message}`);
  if (report.versions.some((version) => !version.receipt)) throw new Error('a version without a receipt');
  const files = report.versions.length + report.unchanged;
  if (files !== 1) throw new Error(`${files} files reported, 1 backed up`);
}

function command(...args: string[]): Program {
  return { command: process.execPath, args: [COMMAND_LINE, ...args] };
}

/** Progress lines come first; the last line is the answer. */
function lastObject<T>(stdout: string): T {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(line) as T;
  } catch {
    throw new Error(`not a JSON object: ${line.slice(0, 200)}`);
  }
}
