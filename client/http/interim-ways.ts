// Whether the way to a server carries interim answers (103): seen by a small request on a connection of its own, never supposed.
import { INTERIM_HEADER, ROUTES } from '../../shared/routes.ts';
import type { HttpClient } from './http-client.ts';
import type { BodySource } from './send-body.ts';

/** An upload waits so long for the answer, ms; and so long the probe bears silence before it means no. */
export const DECIDE_MS = 200;

export class InterimWays {
  readonly #ownConnection: (stallMs: number) => HttpClient;
  readonly #seen = new Map<string, Promise<boolean>>();

  /** `ownConnection`: makes a client that shares no connection with another one. */
  constructor(ownConnection: (stallMs: number) => HttpClient) {
    this.#ownConnection = ownConnection;
  }

  /**
   * Whether a request to `server` (its address without a route) may ask for interim answers; `headers`: who asks. Asked of the way
   * once; until it is known, and after DECIDE_MS at the latest, the answer is no.
   */
  async carries(server: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const seen = this.#seen.get(server) ?? this.#probe(server, headers);
    this.#seen.set(server, seen);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, DECIDE_MS, false);
    });
    return Promise.race([seen, late]).finally(() => clearTimeout(timer));
  }

  /** A request that relied on them broke: the way may be another one now, and is asked anew. */
  doubt(server: string): void {
    this.#seen.delete(server);
  }

  /**
   * Two requests on one connection: what takes the 103 for the answer gives the second request the rest of the first one, or nothing.
   * The connection is not used for anything else. Each has a body, whose end it keeps back until it hears something: a proxy may send a
   * whole body before it passes on what it hears, as Apache does, or take it whole before the server hears of it.
   */
  async #probe(server: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const http = this.#ownConnection(DECIDE_MS);
    try {
      return (await isCarried(http, server, headers)) && (await isCarried(http, server, headers));
    } catch {
      return false;
    } finally {
      http.close();
    }
  }
}

/** Whether one request gets exactly one interim answer in the middle of its body, and then its own. */
async function isCarried(
  http: HttpClient,
  server: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  let interim = 0;
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const onInterim = () => {
    interim++;
    letGo();
  };
  const url = server + ROUTES.interim;
  try {
    const body = heldBody(held);
    const answer = await http.send({
      method: 'POST',
      url,
      headers: { ...headers, 'content-type': 'application/offset+octet-stream' },
      body,
      window: PROBE_WINDOW,
      onInterim,
    });
    for await (const part of answer.body) if (part.length > 0) return false;
    return answer.status === 204 && answer.headers[INTERIM_HEADER] !== undefined && interim === 1;
  } finally {
    letGo();
  }
}

/** Far more than the body: nothing but its own end is waited for. */
const PROBE_WINDOW = 1_048_576;

/** Two bytes, the second of which comes when `held` is over. */
function heldBody(held: Promise<void>): BodySource {
  return {
    length: 2,
    read: async (at, into) => {
      if (at > 0) await held;
      into[0] = 0;
      return 1;
    },
  };
}
