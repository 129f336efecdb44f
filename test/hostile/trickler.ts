// Two thousand connections that trickle, in a process of its own: each that ends is opened again.
import { connect } from 'node:net';
import tls from 'node:tls';

interface Trickling {
  readonly port: number;
  /** Where they come from, in turn. */
  readonly addresses: readonly string[];
  readonly count: number;
  readonly isTls: boolean;
  /** Enrolments alone, each an exchange that is under way. */
  readonly areEnrolments: boolean;
}

const { port, addresses, count, isTls, areEnrolments } = JSON.parse(
  process.env.HOSTILE_TRICKLES ?? '{}',
) as Trickling;
let open = 0;
let ended = 0;

const HEADERS = ['Host: localhost', 'Content-Type: application/json', 'Content-Length: 4000', ''].join(
  '\r\n',
);
/** Half a header, a body of a stranger, and a body with a credential that nobody gave. */
const BEGINNINGS = [
  'GET /v1/versions HTTP/1.1\r\nHost: loc',
  `POST /v1/devices HTTP/1.1\r\n${HEADERS}\r\n{`,
  `POST /v1/versions/search HTTP/1.1\r\nAuthorization: Bearer mfd_${'x'.repeat(40)}\r\n${HEADERS}\r\n{`,
];

function one(number: number): void {
  const place = { port, host: '127.0.0.1', localAddress: addresses[number % addresses.length]! };
  const socket = isTls ? tls.connect({ ...place, rejectUnauthorized: false }) : connect(place);
  let timer: NodeJS.Timeout | undefined;
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    open++;
    socket.write(BEGINNINGS[areEnrolments ? 1 : number % BEGINNINGS.length]!);
    timer = setInterval(() => socket.write(' '), 1_000 + (number % 2_000));
    socket.once('close', () => open--);
  });
  socket.on('error', () => undefined);
  socket.resume();
  socket.once('close', () => {
    clearInterval(timer);
    ended++;
    setTimeout(one, 500 + (number % 500), number);
  });
}

for (let number = 0; number < count; number++) one(number);
setInterval(() => process.send?.({ open, ended }), 500);
process.once('disconnect', () => process.exit());
