// In front of a server: answers of it are changed on their way, or made up, as by whoever owns the network.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Forger {
  readonly url: string;
  /** What was asked so far, as "GET /v1/versions?...". */
  readonly asked: string[];
  /** The headers of each request, in the same order. */
  readonly sent: IncomingHttpHeaders[];
}

/**
 * Listens until the test ends. `instead`: answers by itself, and says so with true. `change`: an answer of the server on `port`, which
 * goes on as it is left.
 */
export async function forge(
  port: number,
  {
    instead = () => false,
    change = () => undefined,
  }: {
    readonly instead?: (asked: IncomingMessage, reply: ServerResponse) => boolean;
    readonly change?: (answer: Answer, asked: IncomingMessage) => void;
  },
): Promise<Forger> {
  const asked: string[] = [];
  const sent: IncomingHttpHeaders[] = [];
  const server = createServer((incoming, reply) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    sent.push(incoming.headers);
    if (instead(incoming, reply)) return;
    const { method, url, headers } = incoming;
    const onwards = request({ host: '127.0.0.1', port, method, path: url, headers }, async (answered) => {
      const body = Buffer.concat(await Array.fromAsync(answered as AsyncIterable<Buffer>));
      const answer: Answer = { status: answered.statusCode!, headers: { ...answered.headers }, body };
      change(answer, incoming);
      delete answer.headers['transfer-encoding'];
      if (method !== 'HEAD') answer.headers['content-length'] = String(answer.body.length);
      reply.writeHead(answer.status, answer.headers);
      reply.end(answer.body);
    });
    onwards.on('error', () => reply.destroy());
    incoming.pipe(onwards);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, sent };
}
