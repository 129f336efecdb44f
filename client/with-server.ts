// For commands that only ask the server: identity and connection, no lock on the state, so that they run beside the agent.
import { HttpClient } from './http/http-client.ts';
import { ServerClient } from './http/server-client.ts';
import { keepHeapSmall } from './small-heap.ts';
import { type Identity, loadIdentity, type StatePaths } from './state/state-directory.ts';

/** Connects as this device (`now`: ms since 1970), hands the connection to `use`, and closes it. */
export async function withServer<T>(
  paths: StatePaths,
  now: () => number,
  use: (server: ServerClient, identity: Identity) => Promise<T>,
): Promise<T> {
  keepHeapSmall();
  const identity = await loadIdentity(paths);
  const http = new HttpClient();
  try {
    return await use(new ServerClient(http, identity.server, identity.credential, undefined, now), identity);
  } finally {
    http.close();
  }
}
