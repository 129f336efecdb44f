// Which requests, and connections, carry the credential of a device: where there is too little room, the others go first.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const known = new WeakSet<IncomingMessage | Socket>();

/** Notes that the request, and so its connection, is a device's. */
export function noteKnown(request: IncomingMessage): void {
  known.add(request);
  known.add(request.socket);
}

export function isKnown(one: IncomingMessage | Socket): boolean {
  return known.has(one);
}
