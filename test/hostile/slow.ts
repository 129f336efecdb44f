// Connections that only take up room: half a header, a body that trickles, an answer that nobody reads.
import { connect, type Socket } from 'node:net';
import type { Chance } from './chance.ts';
import type { Target } from './target.ts';

/** What a connection is slow with. */
const KINDS = ['header', 'body of a device', 'body of a stranger', 'unread answer'] as const;
type Kind = (typeof KINDS)[number];

/** What became of the connections of one kind. */
interface Ends {
  /** The server ended it without an answer, or in the middle of one. */
  cut: number;
  /** It was answered at once: the device has too many requests under way. */
  refused: number;
  /** An answer that lay unread for far longer than the server bears came whole all the same. */
  borne: number;
}

/**
 * So many times its limit a server may take to cut an answer that nobody reads, and some more: what it handed to the system last counts
 * as a move when the limit is first over.
 */
const BORNE = 2.5;

export interface Slow {
  /** What happened until now. */
  ends(): Readonly<Record<Kind, Readonly<Ends>>>;
  /** The kinds of which none was cut until now. */
  neverCut(): readonly Kind[];
  /** Ends them all. */
  close(): void;
}

/**
 * Opens `count` of them at a server that cuts after `stallMs` (and after 15 s without a whole header); each that ends is opened again.
 * An answer that nobody reads is so large that no socket's buffers hold it: whether it was cut is seen by reading what is left of it,
 * since the system tells of no end before.
 */
export function openSlow(
  target: Target,
  { count, stallMs, chance }: { readonly count: number; readonly stallMs: number; readonly chance: Chance },
): Slow {
  const open = new Set<Socket>();
  const ends = Object.fromEntries(KINDS.map((kind) => [kind, { cut: 0, refused: 0, borne: 0 }])) as Record<
    Kind,
    Ends
  >;
  let isOver = false;
  const one = (kind: Kind): void => {
    if (isOver) return;
    const socket = connect(target.port, '127.0.0.1');
    open.add(socket);
    socket.write(beginning(kind, target));
    const timer =
      kind === 'unread answer'
        ? setTimeout(() => socket.resume(), BORNE * stallMs)
        : setInterval(() => socket.write('x'), 1_000 + chance.int(2_000));
    let head = '';
    let received = 0;
    socket.on('data', (bytes) => {
      received += bytes.length;
      if (head.length < 20) head += bytes.toString('latin1', 0, 20);
      if (received > target.hostile.largeBytes) socket.destroy();
    });
    if (kind === 'unread answer') socket.pause();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      open.delete(socket);
      if (isOver) return;
      ends[kind][endOf(head, received, target)]++;
      setTimeout(() => one(kind), 200 + chance.int(500));
    });
  };
  for (let n = 0; n < count; n++) one(KINDS[n % KINDS.length]!);
  return {
    ends: () => ends,
    neverCut: () => KINDS.filter((kind) => ends[kind].cut === 0),
    close: () => {
      isOver = true;
      for (const socket of open) socket.destroy();
    },
  };
}

function beginning(kind: Kind, { hostile }: Target): string {
  const head = `host: x\r\nauthorization: Bearer ${hostile.credential}\r\n`;
  const body = (bytes: number) => `content-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;
  if (kind === 'header') return 'GET /v1/versions HTTP/1.1\r\nx-slow: ';
  if (kind === 'body of a device')
    return `PUT /v1/versions/${hostile.version} HTTP/1.1\r\n${head}${body(100_000)}`;
  if (kind === 'body of a stranger') return `POST /v1/devices HTTP/1.1\r\nhost: x\r\n${body(9_000)}`;
  return `GET /v1/versions/${hostile.large}/content HTTP/1.1\r\n${head}\r\n`;
}

function endOf(head: string, received: number, { hostile }: Target): keyof Ends {
  if (received > hostile.largeBytes) return 'borne';
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
  // 408: what Node itself says about a header that does not come.
  return status === undefined || status === '408' || status === '200' ? 'cut' : 'refused';
}
