// What is attacked: a server with three devices. Two have a version each, and the second is hostile; the third works all the time.
import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { buildPack } from '../server/support/build-pack.ts';
import { allBlocks, commitOf, DeviceClient } from '../server/support/device-client.ts';

export interface Target {
  readonly url: string;
  readonly port: number;
  readonly healthy: Attacked;
  readonly hostile: Attacked;
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
  const withVersion = async (name: string): Promise<Attacked> => {
    const { device, credential, receiptKey } = await enrol(name);
    const client = new DeviceClient(() => url, device, credential, receiptKey);
    const bytes = randomBytes(VERSION_BYTES);
    const pack = buildPack([bytes]);
    await client.sendPack(pack);
    const version = randomUUID();
    const runs = [{ at: 0, length: bytes.length, pack: pack.id, offset: 0 }];
    const committed = await client.putVersion(version, commitOf(bytes, null, runs, allBlocks(bytes.length)));
    if (committed.status !== 201) throw new Error(`the version of ${name} was answered ${committed.status}`);
    return { credential, version, pack: pack.id };
  };
  return {
    url,
    port: Number(new URL(url).port),
    healthy: await withVersion('healthy'),
    hostile: await withVersion('hostile'),
    working: await enrol('working'),
  };
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
