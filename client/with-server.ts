// For commands that only ask the server: identity and connection, no lock on the state, so that they run beside the agent.
import { asFailure } from '../shared/failure.ts';
import type { Context } from './cli.ts';
import { HttpClient } from './http/http-client.ts';
import { assertEnrolledAddress } from './http/plain-http.ts';
import { ServerClient } from './http/server-client.ts';
import { deviceWay, type WaySettings } from './open-way.ts';
import { loadSettings } from './settings/load-settings.ts';
import { keepHeapSmall } from './small-heap.ts';
import { type Identity, loadIdentity } from './state/state-directory.ts';

/** Connects as this device, hands the connection to `use`, and closes it. `settings`: where they were read already. */
export async function withServer<T>(
  context: Context,
  use: (server: ServerClient, identity: Identity) => Promise<T>,
  settings?: WaySettings,
): Promise<T> {
  keepHeapSmall();
  const { machine, paths } = context;
  const identity = await loadIdentity(paths);
  assertEnrolledAddress(identity);
  const http = new HttpClient({
    way: await deviceWay(context, settings ?? (await settingsHere(context))),
  });
  const { now } = machine.surroundings;
  try {
    return await use(new ServerClient(http, identity.server, identity.credential, undefined, now), identity);
  } finally {
    http.close();
  }
}

/** Settings that are wrong are told, and keep nobody from a restore: the way may need none of them. */
async function settingsHere({ machine, terminal }: Context): Promise<WaySettings> {
  try {
    return (await loadSettings(machine)).settings;
  } catch (error) {
    terminal.say(asFailure(error).message);
    return {};
  }
}
