// For commands that only ask the server: identity and connection, no lock on the state, so that they run beside the agent.
import { asFailure } from '../shared/failure.ts';
import type { Context } from './cli.ts';
import { HttpClient } from './http/http-client.ts';
import { assertEnrolledAddress } from './http/plain-http.ts';
import { ServerClient } from './http/server-client.ts';
import { followed, followSettings } from './moving.ts';
import { deviceWay, type WaySettings } from './open-way.ts';
import { loadSettings } from './settings/load-settings.ts';
import type { Settings } from './settings/settings.ts';
import { keepHeapSmall } from './small-heap.ts';
import { type Identity, loadIdentity } from './state/state-directory.ts';

/** Connects as this device, hands the connection to `use`, and closes it. `settings`: where they were read already. */
export async function withServer<T>(
  context: Context,
  use: (server: ServerClient, identity: Identity) => Promise<T>,
  settings?: HereSettings,
): Promise<T> {
  keepHeapSmall();
  const { machine, paths, terminal } = context;
  const read = settings ?? (await settingsHere(context));
  const http = new HttpClient({ way: await deviceWay(context, read) });
  const { now } = machine.surroundings;
  const mover = { paths, http, say: (sentence: string) => terminal.say(sentence) };
  try {
    await followSettings(mover, read);
    const identity = await loadIdentity(paths);
    assertEnrolledAddress(identity);
    const server = new ServerClient(http, identity.server, identity.credential, undefined, now);
    server.whenMoved(followed(mover));
    return await use(server, identity);
  } finally {
    http.close();
  }
}

type HereSettings = WaySettings & Pick<Settings, 'server' | 'allowHttp'>;

/** Settings that are wrong are told, and keep nobody from a restore: the way may need none of them. */
async function settingsHere({ machine, terminal }: Context): Promise<HereSettings> {
  try {
    return (await loadSettings(machine)).settings;
  } catch (error) {
    terminal.say(asFailure(error).message);
    return { allowHttp: false };
  }
}
