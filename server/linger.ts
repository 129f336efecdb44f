// An answer to a request whose body is still coming: it has to arrive before the connection goes.
import type { IncomingMessage } from 'node:http';

/** How long a client may go on sending what was refused already, before its connection is cut. */
const LINGER_MS = 2_000;

/** Lets the answer arrive before the connection goes: cut at once, what the client sends would wipe it out. */
export function lingerThenCut(raw: IncomingMessage): void {
  const timer = setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS);
  raw.socket.once('close', () => clearTimeout(timer));
  raw.once('end', () => clearTimeout(timer));
}
