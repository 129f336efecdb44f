// The HTTP server with guards of its own: a slow upload may take hours, a silent connection may not take a minute.
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';

/** Time for a request's headers: an honest client sends them at once. */
const HEADERS_MS = 15_000;
/** A connection on which no byte moves for so long is cut, unless the server itself is what the client waits for. */
const IDLE_MS = 60_000;
/** Above the idle time of the clients and proxies in use, so that it is not the server that closes first. */
const KEEP_ALIVE_MS = 65_000;
/** More than a few thousand devices need at once; a flood ends here and not in the memory. */
const MOST_CONNECTIONS = 2_000;

/** A server for `listener`. Node's limit on the whole request is off: it cuts uploads on slow lines. */
export function createHttpServer(listener: RequestListener, idleMs = IDLE_MS): Server {
  const server = createServer(
    {
      requestTimeout: 0,
      headersTimeout: HEADERS_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5_000,
      noDelay: true,
    },
    listener,
  );
  server.maxConnections = MOST_CONNECTIONS;
  const current = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>();
  server.on('request', (request, response) => current.set(request.socket, { request, response }));
  server.setTimeout(idleMs, (socket: Socket) => {
    const exchange = current.get(socket);
    const serverIsAtWork = exchange?.request.complete === true && !exchange.response.headersSent;
    if (serverIsAtWork) socket.setTimeout(idleMs);
    else socket.destroy();
  });
  return server;
}
