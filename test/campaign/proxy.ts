// The line between device and server: it slows, cuts, freezes and loses answers as told, and tells what it saw go by.
import net from 'node:net';
import { type Exchange, HttpWatch } from './http-watch.ts';

export interface Line {
  /** Bytes a second to the server; nothing: as fast as it goes. */
  readonly rate?: number;
  /** A connection is reset once it carried this many bytes to the server. */
  readonly resetAfter?: number;
  /** New connections are reset at once. */
  readonly down?: boolean;
}

/** What to do with an answer: let it pass, reset its connection instead, or let it pass and freeze everything after it. */
export type Verdict = 'pass' | 'lose' | 'freeze-after';

export interface ProxyEvents {
  /** An answer is about to pass. */
  onAnswer(exchange: Exchange): Verdict;
  /** A whole answer has passed: what it says is acknowledged to the device. */
  onPassed(exchange: Exchange): void;
  /** The server gave a sign of life to the device: an answer below 400, or an interim one. */
  onLife(): void;
  /** Bytes of a request's body came from the device. */
  onBody(exchange: Exchange, bytes: number): void;
}

interface Pair {
  readonly device: net.Socket;
  readonly server: net.Socket;
  carried: number;
  /** Nothing passes any more and nobody is told. */
  dead: boolean;
}

export class WatchedProxy {
  readonly #listener: net.Server;
  readonly #pairs = new Set<Pair>();
  readonly #events: ProxyEvents;
  #target = 0;
  #line: Line = {};
  #frozen = false;
  /** Connections that were reset or frozen by a fault. */
  cuts = 0;

  private constructor(events: ProxyEvents) {
    this.#events = events;
    this.#listener = net.createServer((device) => this.#connect(device));
  }

  static async start(events: ProxyEvents): Promise<WatchedProxy> {
    const proxy = new WatchedProxy(events);
    await new Promise<void>((resolve) => {
      proxy.#listener.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.address() as net.AddressInfo).port}`;
  }

  /** Where new connections go. */
  retarget(port: number): void {
    this.#target = port;
  }

  get line(): Line {
    return this.#line;
  }

  set(line: Line): void {
    this.#line = line;
  }

  /** Open connections that are alive. */
  get alive(): number {
    return [...this.#pairs].filter((pair) => !pair.dead).length;
  }

  /** From now on nothing passes, either way, and nobody is told: not even those who connect. */
  freeze(): void {
    this.#frozen = true;
    for (const pair of this.#pairs) this.#kill(pair);
  }

  /** New connections work again. What was frozen stays dead and silent, as after a network change. */
  thaw(): void {
    this.#frozen = false;
  }

  /** Resets every connection there is, the dead ones too, as a machine does that comes back. Returns how many were alive. */
  reset(): number {
    let alive = 0;
    for (const pair of [...this.#pairs]) {
      if (!pair.dead) alive++;
      this.#reset(pair);
    }
    this.cuts += alive;
    return alive;
  }

  #kill(pair: Pair): void {
    pair.dead = true;
    pair.device.pause();
    pair.server.pause();
  }

  #reset(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.device.resetAndDestroy();
    pair.server.resetAndDestroy();
  }

  #connect(device: net.Socket): void {
    device.on('error', () => {});
    if (this.#line.down) {
      device.resetAndDestroy();
      return;
    }
    const pair: Pair = { device, server: net.connect(this.#target, '127.0.0.1'), carried: 0, dead: false };
    this.#pairs.add(pair);
    if (this.#frozen) this.#kill(pair);
    const watch = new HttpWatch({
      onBody: (exchange, bytes) => this.#events.onBody(exchange, bytes),
      onInterim: () => this.#events.onLife(),
    });
    pair.device.on('data', (bytes: Buffer) => this.#up(pair, watch, bytes));
    pair.server.on('data', (bytes: Buffer) => this.#down(pair, watch, bytes));
    this.#follow(pair, pair.device, pair.server);
    this.#follow(pair, pair.server, pair.device);
  }

  /** The end of one side is the end of the other, but not on a line that is dead: there nobody is told. */
  #follow(pair: Pair, from: net.Socket, to: net.Socket): void {
    from.on('error', () => {});
    from.on('end', () => {
      if (!pair.dead) to.end();
    });
    from.on('close', () => {
      if (pair.dead) return;
      this.#pairs.delete(pair);
      to.destroy();
    });
  }

  #up(pair: Pair, watch: HttpWatch, bytes: Buffer): void {
    if (pair.dead) return;
    watch.up(bytes);
    pair.carried += bytes.length;
    if (pair.carried >= (this.#line.resetAfter ?? Number.POSITIVE_INFINITY)) {
      this.cuts++;
      this.#reset(pair);
      return;
    }
    const full = !pair.server.write(bytes);
    const wait = this.#line.rate ? (bytes.length / this.#line.rate) * 1_000 : 0;
    if (!full && wait === 0) return;
    pair.device.pause();
    const resume = () => {
      if (!pair.dead) pair.device.resume();
    };
    if (full) pair.server.once('drain', () => setTimeout(resume, wait));
    else setTimeout(resume, wait);
  }

  #down(pair: Pair, watch: HttpWatch, bytes: Buffer): void {
    if (pair.dead) return;
    const { answered, whole } = watch.down(bytes);
    const verdict = answered ? this.#events.onAnswer(answered) : 'pass';
    if (verdict === 'lose') {
      this.cuts++;
      this.#reset(pair);
      return;
    }
    pair.device.write(bytes);
    if (answered && answered.status! < 400) this.#events.onLife();
    if (whole) this.#events.onPassed(whole);
    if (verdict === 'freeze-after') this.freeze();
  }

  async close(): Promise<void> {
    for (const { device, server } of this.#pairs) {
      device.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#listener.close(() => resolve());
    });
  }
}
