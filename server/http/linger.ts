// An answer to a request whose body is still coming: it has to arrive before the connection goes.
import type { IncomingMessage } from 'node:http';

/** How long a client may go on sending what was refused already, before its connection is cut. */
const LINGER_MS = 2_000;

/**
 * Lets the answer arrive before the connection goes: cut at once, what the client sends would wipe it out. Nothing of the request stays
 * with its connection, which may carry many more.
 */
export function lingerThenCut(raw: IncomingMessage): void {
  const { socket } = raw;
  const done = (): void => {
    clearTimeout(timer);
    socket.off('close', done);
    raw.off('end', done);
  };
  const timer = setTimeout(() => {
    done();
    if (!raw.complete) socket.destroy();
  }, LINGER_MS);
  socket.once('close', done);
  raw.once('end', done);
}
