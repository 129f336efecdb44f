// The HTTP server with guards of its own: a slow upload may take hours, a silent connection, or a trickle, may not take a minute.
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { ROUTES } from '../../shared/routes.ts';
import { type Limits, MAX_HEADER_BYTES } from '../limits.ts';
import { clientNetwork } from './client-network.ts';
import { isKnown } from './known-requests.ts';
import { refuseUnparsed } from './unparsed.ts';

/** Time for a request's headers: an honest client sends them at once. */
const HEADERS_MS = 15_000;
/** Between two looks at whether that time is over, at most. */
const HEADERS_LOOK_MS = 5_000;
/** Above the idle time of the clients and proxies in use, so that it is not the server that closes first. */
const KEEP_ALIVE_MS = 65_000;
/** Time for a small body, in all: what is trickled takes room that others need. */
const SMALL_BODY_MS = 10_000;
/** Looks at each exchange in the time that it may be slow: late by a quarter at most. */
const LOOKS = 4;

export type ServerLimits = Pick<
  Limits,
  'connections' | 'connectionsPerAddress' | 'stallMs' | 'leastBytesPerSecond'
> & {
  /** Time for a request's headers, in milliseconds; 15 s where nothing is said. */
  readonly headersMs?: number;
  /** Time for a body that is no upload and no commit, in milliseconds; 10 s where nothing is said. */
  readonly smallBodyMs?: number;
  /** Whether an address is that of a proxy, which stands for many clients; none but this machine's own where nothing is said. */
  readonly isProxy?: (address: string) => boolean;
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Bytes that had come when the client was last found to be fast enough, and the look at which that was. */
  received: number;
  look: number;
}

/** A server for `listener`. Node's limit on the whole request is off: it cuts uploads on slow lines. */
export function createHttpServer(listener: RequestListener, limits: ServerLimits): Server {
  const { headersMs = HEADERS_MS, smallBodyMs = SMALL_BODY_MS } = limits;
  const server = createServer(
    {
      requestTimeout: 0,
      headersTimeout: headersMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(HEADERS_LOOK_MS, Math.ceil(headersMs / 3)),
      noDelay: true,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    listener,
  );
  const exchanges = new Map<Socket, Exchange>();
  let look = 0;
  server.on('request', (request, response) => {
    const { socket } = request;
    exchanges.set(socket, { request, response, received: socket.bytesRead, look });
    if (!isLarge(request)) limitTime(request, response, smallBodyMs);
    response.once('close', () => {
      if (exchanges.get(socket)?.response === response) exchanges.delete(socket);
    });
  });
  server.on('clientError', (error: Error, socket) => {
    const exchange = exchanges.get(socket as Socket);
    refuseUnparsed(error, socket as Socket, exchange?.response.headersSent !== true);
  });
  limitConnections(server, limits, exchanges);
  server.setTimeout(limits.stallMs, (socket: Socket) => {
    const exchange = exchanges.get(socket);
    const serverIsAtWork = exchange?.request.complete === true && !exchange.response.headersSent;
    if (serverIsAtWork) socket.setTimeout(limits.stallMs);
    else socket.destroy();
  });
  const least = (limits.leastBytesPerSecond * limits.stallMs) / 1_000;
  const timer = setInterval(() => {
    look++;
    for (const [socket, exchange] of exchanges) {
      if (!clientIsToSend(exchange) || socket.bytesRead - exchange.received >= least) {
        exchange.received = socket.bytesRead;
        exchange.look = look;
      } else if (look - exchange.look >= LOOKS) socket.destroy();
    }
  }, limits.stallMs / LOOKS);
  timer.unref();
  server.once('close', () => clearInterval(timer));
  return server;
}

/**
 * Whether the client is to send more of its body; what has come and was not taken yet is the server's to take. Of an answer no more
 * is known than whether anything of it moves, which the time of silence sees to.
 */
function clientIsToSend({ request }: Exchange): boolean {
  return !request.complete && request.readableLength === 0;
}

/** Whether the body may be so large that it takes what time it takes: an upload's, or a commit's, both of which only devices send. */
function isLarge({ method, url = '' }: IncomingMessage): boolean {
  return (method === 'PUT' && url.startsWith(ROUTES.versions)) || url.startsWith(ROUTES.uploads);
}

/** Cuts a request whose body is not there after `ms`. */
function limitTime(request: IncomingMessage, response: ServerResponse, ms: number): void {
  if (request.complete) return;
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, ms);
  timer.unref();
  response.once('close', () => clearTimeout(timer));
}

/** Where a proxy on this machine connects from: it stands for many clients, and has limits of its own. */
const OWN = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

/** Keeps the number of connections in bounds, so that those who only hold them shut nobody out. */
function limitConnections(
  server: Server,
  { connections, connectionsPerAddress, isProxy = () => false }: ServerLimits,
  exchanges: ReadonlyMap<Socket, Exchange>,
): void {
  /** In the order they came. */
  const open = new Set<Socket>();
  const byAddress = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress ?? '';
    const address = clientNetwork(peer);
    const same = byAddress.get(address) ?? 0;
    if (same >= connectionsPerAddress && !OWN.has(peer) && !isProxy(peer)) {
      socket.destroy();
      return;
    }
    if (open.size >= connections) {
      const victim = firstToGo(open, exchanges);
      (victim ?? socket).destroy();
      if (!victim) return;
      open.delete(victim);
    }
    open.add(socket);
    byAddress.set(address, same + 1);
    socket.once('close', () => {
      open.delete(socket);
      const left = (byAddress.get(address) ?? 1) - 1;
      if (left > 0) byAddress.set(address, left);
      else byAddress.delete(address);
    });
  });
}

/**
 * Which connection makes room for another: the oldest that works for no device and never did, else the oldest of a device on which no
 * request is. Undefined where all are at work for devices.
 */
function firstToGo(open: ReadonlySet<Socket>, exchanges: ReadonlyMap<Socket, Exchange>): Socket | undefined {
  let idle: Socket | undefined;
  for (const socket of open) {
    const exchange = exchanges.get(socket);
    if (!isKnown(exchange?.request ?? socket)) return socket;
    if (!exchange) idle ??= socket;
  }
  return idle;
}
