// Mailferry as it is built: its server and its command line, each a process of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, runToEnd, withServer } from '../child.ts';
import { withCountingProxy } from '../counting-proxy.ts';
import { listeningPort, overTheWire, type Wire } from './over-the-wire.ts';
import type { Peer, Protection, Room } from './peer.ts';

/** A build of Mailferry, and the Node that runs it. */
interface Build {
  readonly node: string;
  /** mailferry.js */
  readonly script: string;
}

/** From dist/test/bench/peers/. */
const THIS: Build = {
  node: process.execPath,
  script: fileURLToPath(new URL('../../../client/mailferry.js', import.meta.url)),
};

/** Bytes are counted by a proxy, a third process on the same cores. */
export const mailferry: Peer = {
  name: 'mailferry',
  how: 'server and device on loopback, through the counting proxy; live snapshot',
  measure: 'wire',
  missing: () => missing(THIS),
  run: (room, use) =>
    withMailferry(THIS, room, (port, serverPid, state) =>
      withCountingProxy(port, async (proxy) =>
        use(await enrolled(THIS, { proxy, serverPid, room }, state, proxy.port)),
      ),
    ),
};

/** Times without the proxy's work, which no user has. */
export const mailferryDirect: Peer = direct('mailferry-direct', THIS);

/** The name of what --against is measured as. */
export const AGAINST = 'against';

/**
 * The build in another checkout, `directory`, measured as mailferry-direct is. It runs on `node`; where that is not given, on the one
 * that the checkout's own packages bring, or else on this.
 */
export function mailferryOf(directory: string, node: string | undefined): Peer {
  const own = join(directory, 'node_modules', '.bin', 'node');
  return direct(AGAINST, {
    node: node ?? (existsSync(own) ? own : process.execPath),
    script: join(directory, 'dist', 'client', 'mailferry.js'),
  });
}

function direct(name: string, build: Build): Peer {
  return {
    name,
    how: `server and device on loopback, nothing between them; live snapshot${build === THIS ? '' : `; ${build.script}`}`,
    measure: 'wire',
    missing: () => missing(build),
    run: (room, use) =>
      withMailferry(build, room, async (port, serverPid, state) =>
        use(await enrolled(build, { proxy: undefined, serverPid, room }, state, port)),
      ),
  };
}

function missing({ script }: Build): string | undefined {
  return existsSync(script) ? undefined : `not built: npm run build, for ${script}`;
}

function withMailferry<T>(
  build: Build,
  room: Room,
  use: (port: number, serverPid: number, state: string) => Promise<T>,
): Promise<T> {
  const serve = command(build, 'server', '--data', dataOf(room), '--listen', '127.0.0.1:0', '--json');
  return withServer(serve, room.signal, async (server) =>
    use(listeningPort(await server.firstLine), server.pid, join(room.directory, 'state')),
  );
}

async function enrolled(build: Build, wire: Wire, state: string, port: number): Promise<Protection> {
  await enroll(build, wire.room, state, `http://127.0.0.1:${port}`);
  return protection(build, wire, state);
}

function dataOf(room: Room): string {
  return join(room.directory, 'data');
}

async function enroll(build: Build, room: Room, state: string, server: string): Promise<void> {
  const words = ['server', 'token', 'create', '--data', dataOf(room), '--json'];
  const created = await runToEnd(command(build, ...words), room.signal);
  const { token } = lastObject<{ token: string }>(created.stdout);
  await runToEnd(
    command(build, 'enroll', '--server', server, '--token', token, '--state', state, '--json'),
    room.signal,
  );
}

type BackupReport = {
  versions: { receipt: unknown }[];
  unchanged: number;
  failed: { code: string; message: string }[];
};

function protection(build: Build, wire: Wire, state: string): Protection {
  return {
    backup: async (path) => {
      const args = ['backup', path, '--wait', '--snapshot', 'live', '--state', state, '--json'];
      const { cost, stdout } = await overTheWire(wire, command(build, ...args));
      checkBackup(lastObject(stdout));
      return cost;
    },
    restore: async (path, to) => {
      const { cost } = await overTheWire(
        wire,
        command(build, 'restore', path, '--to', to, '--state', state, '--json'),
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

function command({ node, script }: Build, ...args: string[]): Program {
  return { command: node, args: [script, ...args] };
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
