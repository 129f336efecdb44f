// What is attacked: a server with three devices. Two have a version each, and the second is hostile; the third works all the time.
import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { buildPack } from '../server/support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from '../server/support/device-client.ts';

export interface Target {
  readonly url: string;
  readonly port: number;
  readonly healthy: Attacked;
  readonly hostile: Attacked & {
    /** A version whose content no socket's buffers hold: with Linux's usual limits one side sends up to 4 MiB that nobody reads. */
    readonly large: string;
    readonly largeBytes: number;
    /** A version of 1 MiB in 16,384 pieces of one pack, as many as there may be. */
    readonly scattered: string;
  };
  /** What it keeps changes: it alone is left out where the state of the server is compared. */
  readonly working: { readonly device: string; readonly credential: string; readonly receiptKey: string };
}

interface Attacked {
  readonly credential: string;
  readonly version: string;
  readonly pack: string;
}

export interface Told {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const VERSION_BYTES = 2_000_000;
const LARGE_FRAMES = 10;

/** Enrols the devices and gives the first two a version. `token` makes an enrolment token. */
export async function prepare(url: string, token: () => Promise<string>): Promise<Target> {
  const enrol = async (name: string) => {
    const answer = await fetch(`${url}/v1/devices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: await token(), name }),
    });
    return (await answer.json()) as Target['working'];
  };
  const clientOf = async (name: string): Promise<DeviceClient> => {
    const { device, credential, receiptKey } = await enrol(name);
    return new DeviceClient(() => url, device, credential, receiptKey);
  };
  const healthy = await clientOf('healthy');
  const hostile = await clientOf('hostile');
  return {
    url,
    port: Number(new URL(url).port),
    healthy: await withVersion(healthy, 1),
    hostile: {
      ...(await withVersion(hostile, 1)),
      large: (await withVersion(hostile, LARGE_FRAMES)).version,
      largeBytes: LARGE_FRAMES * VERSION_BYTES,
      scattered: await withScattered(hostile),
    },
    working: await enrol('working'),
  };
}

/** Gives a device a version of so many frames of VERSION_BYTES. */
async function withVersion(client: DeviceClient, frames: number): Promise<Attacked> {
  const parts = Array.from({ length: frames }, () => randomBytes(VERSION_BYTES));
  const bytes = Buffer.concat(parts);
  const pack = buildPack(parts);
  await client.sendPack(pack);
  const version = randomUUID();
  const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
  const committed = await client.putVersion(version, commitOf(bytes, null, runs, allBlocks(bytes.length)));
  if (committed.status !== 201)
    throw new Error(`a version of device ${client.device} was answered ${committed.status}`);
  return { credential: client.credential, version, pack: pack.id };
}

async function withScattered(client: DeviceClient): Promise<string> {
  const PIECES = 16_384;
  const raw = randomBytes(1_048_576);
  const pack = buildPack([raw]);
  await client.sendPack(pack);
  const runs = Array.from({ length: PIECES }, (_, n) => ({
    at: 64 * n,
    length: 64,
    pack: pack.id,
    offset: 64 * ((n * 7_919) % PIECES),
  }));
  const bytes = Buffer.concat(runs.map(({ offset }) => raw.subarray(offset, offset + 64)));
  const version = randomUUID();
  const commit = { ...commitOf(bytes, null, runs, allBlocks(bytes.length)), path: '/scattered' };
  const { status } = await client.putVersion(version, commit);
  if (status !== 201) throw new Error(`a scattered version was answered ${status}`);
  return version;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One request and all of its answer; status 0 where the connection ended without one. */
export function send(
  target: Pick<Target, 'port'>,
  options: { method: string; path: string; headers?: OutgoingHttpHeaders; body?: string | Uint8Array },
): Promise<Told> {
  return new Promise((resolve) => {
    const nothing = (): void => resolve({ status: 0, type: '', text: '' });
    const sent = request(
      {
        host: '127.0.0.1',
        port: target.port,
        agent,
        method: options.method,
        path: options.path,
        headers: options.headers ?? {},
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', nothing);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    sent.setTimeout(30_000, () => sent.destroy());
    sent.on('error', nothing);
    sent.end(options.body);
  });
}

export const bearer = (credential: string): { authorization: string } => ({
  authorization: `Bearer ${credential}`,
});
