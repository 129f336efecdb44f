// Connections that only take up room: half a header, a body that trickles, an answer that nobody reads.
import { connect, type Socket } from 'node:net';
import type { Chance } from './chance.ts';
import type { Target } from './target.ts';

/** Opens `count` of them; each that is cut is opened again, until the function returned is called. How many were cut is told by it. */
export function openSlow(target: Target, count: number, chance: Chance): () => number {
  const open = new Set<Socket>();
  let isOver = false;
  let cut = 0;
  const one = (): void => {
    if (isOver) return;
    const socket = connect(target.port, '127.0.0.1');
    open.add(socket);
    const kind = chance.int(4);
    const head = `authorization: Bearer ${target.hostile.credential}\r\nhost: x\r\n`;
    let drip: string | undefined = 'x';
    if (kind === 0) socket.write('GET /v1/versions HTTP/1.1\r\nx-slow: ');
    else if (kind === 1) {
      socket.write(
        `PUT /v1/versions/${target.hostile.version} HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 100000\r\n\r\n`,
      );
    } else if (kind === 2)
      socket.write(
        'POST /v1/devices HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n',
      );
    else {
      socket.write(`GET /v1/versions/${target.hostile.version}/content HTTP/1.1\r\n${head}\r\n`);
      socket.pause();
      drip = undefined;
    }
    const timer = setInterval(() => drip && socket.write(drip), 1_000 + chance.int(2_000));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      open.delete(socket);
      if (isOver) return;
      cut++;
      setTimeout(one, 200 + chance.int(500));
    });
    if (kind !== 3) socket.resume();
  };
  for (let n = 0; n < count; n++) one();
  return () => {
    isOver = true;
    for (const socket of open) socket.destroy();
    return cut;
  };
}
