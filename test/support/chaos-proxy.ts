// A TCP proxy on loopback that counts, cuts and freezes connections.
import net from 'node:net';

export interface Faults {
  /** Connections are reset once they carried this many bytes to the server. */
  readonly resetAfter?: number;
  /** The same, by what they carried from it. */
  readonly resetDownAfter?: number;
  /** Every byte of every connection vanishes, both ways, and nobody is told. */
  readonly frozen?: boolean;
  /** New connections are reset at once. */
  readonly refuse?: boolean;
  /** Bytes a second that a connection carries to the server at most. */
  readonly rate?: number;
  /** Bytes a second that a connection carries from the server at most. */
  readonly rateDown?: number;
}

export class ChaosProxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<{ up: net.Socket; down: net.Socket }>();
  #target: number;
  #faults: Faults = {};
  /** Bytes since the start; cuts: connections that were reset by a fault. */
  readonly counted = { up: 0, down: 0, cuts: 0 };

  private constructor(target: number) {
    this.#target = target;
    this.#server = net.createServer((client) => this.#connect(client));
  }

  static async start(target: number): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** Where new connections go. */
  retarget(port: number): void {
    this.#target = port;
  }

  set(faults: Faults): void {
    this.#faults = faults;
    if (!faults.frozen) return;
    for (const { up, down } of this.#pairs) {
      up.pause();
      down.pause();
    }
  }

  /** Resets every connection there is. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#reset(pair);
  }

  #reset(pair: { up: net.Socket; down: net.Socket }): void {
    if (!this.#pairs.delete(pair)) return;
    this.counted.cuts++;
    pair.up.resetAndDestroy();
    pair.down.resetAndDestroy();
  }

  #connect(client: net.Socket): void {
    if (this.#faults.refuse) {
      client.resetAndDestroy();
      return;
    }
    const pair = { up: client, down: net.connect(this.#target, '127.0.0.1') };
    this.#pairs.add(pair);
    const carried = { up: 0, down: 0 };
    this.#pipe(pair, pair.up, pair.down, (length) => {
      this.counted.up += length;
      carried.up += length;
      if (carried.up >= (this.#faults.resetAfter ?? Number.POSITIVE_INFINITY)) this.#reset(pair);
    });
    this.#pipe(pair, pair.down, pair.up, (length) => {
      this.counted.down += length;
      carried.down += length;
      if (carried.down >= (this.#faults.resetDownAfter ?? Number.POSITIVE_INFINITY)) this.#reset(pair);
    });
  }

  #pipe(
    pair: { up: net.Socket; down: net.Socket },
    from: net.Socket,
    to: net.Socket,
    count: (length: number) => void,
  ): void {
    if (this.#faults.frozen) from.pause();
    from.on('data', (bytes) => {
      if (this.#faults.frozen) return;
      count(bytes.length);
      if (!this.#pairs.has(pair) || to.destroyed) return;
      const rate = from === pair.up ? this.#faults.rate : this.#faults.rateDown;
      const full = !to.write(bytes);
      if (!full && !rate) return;
      from.pause();
      const goOn = () => {
        if (!this.#faults.frozen) from.resume();
      };
      if (full) to.once('drain', goOn);
      else setTimeout(goOn, (bytes.length / rate!) * 1_000);
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#pairs.delete(pair);
      to.destroy();
    });
  }

  async close(): Promise<void> {
    for (const { up, down } of this.#pairs) {
      up.destroy();
      down.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
