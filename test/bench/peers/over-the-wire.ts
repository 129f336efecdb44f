// One step of a peer with a server: the device's program measured, the server watched, the bytes between them counted.
import type { Program } from '../child.ts';
import type { CountingProxy } from '../counting-proxy.ts';
import { runMeasured } from '../measured.ts';
import { watch } from '../usage.ts';
import type { Room, StepCost } from './peer.ts';

/** `proxy` undefined: the device talks to the server directly, and no bytes are counted. */
export type Wire = {
  readonly proxy: CountingProxy | undefined;
  readonly serverPid: number;
  readonly room: Room;
};

export async function overTheWire(wire: Wire, device: Program): Promise<{ cost: StepCost; stdout: string }> {
  const before = wire.proxy?.count();
  const serverWatch = watch(wire.serverPid);
  const measured = await runMeasured(device, wire.room.directory, wire.room.signal).catch(
    async (error: unknown) => {
      await serverWatch.stop();
      throw error;
    },
  );
  const server = await serverWatch.stop();
  const after = wire.proxy?.count();
  const cost = {
    up: after && before ? after.up - before.up : null,
    down: after && before ? after.down - before.down : null,
    wallSeconds: measured.wallSeconds,
    device: measured.usage,
    server,
  };
  return { cost, stdout: measured.stdout };
}

/** The port in a server's first line, {"listening": "http://HOST:PORT"}. */
export function listeningPort(firstLine: string): number {
  const { listening } = JSON.parse(firstLine) as { listening: string };
  return Number(new URL(listening).port);
}
