// A real server in this process, on a free port and a directory of its own, to be stopped, killed or started again.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Capabilities } from '../../../server/capabilities.ts';
import { createToken } from '../../../server/enrol.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../../server/start-server.ts';
import { DeviceClient } from './device-client.ts';

export class TestServer {
  readonly directory: string;
  readonly options: Partial<ServerOptions>;
  /** Milliseconds since 1970; a test moves it as it likes. */
  clock = Date.UTC(2026, 10, 24);
  #running: RunningServer | undefined;

  private constructor(directory: string, options: Partial<ServerOptions>) {
    this.directory = directory;
    this.options = options;
  }

  static async start(options: Partial<ServerOptions> = {}): Promise<TestServer> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'mailferry-server-')));
    const server = new TestServer(directory, options);
    await server.start();
    return server;
  }

  get running(): RunningServer {
    if (!this.#running) throw new Error('the server is not running');
    return this.#running;
  }

  get url(): string {
    return this.running.url;
  }

  get capabilities(): Capabilities {
    return {
      now: () => this.clock,
      randomBytes,
      newReceiptKey: () =>
        String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
    };
  }

  async start(): Promise<void> {
    this.#running = await startServer({
      directory: this.directory,
      host: '127.0.0.1',
      port: 0,
      capabilities: this.capabilities,
      log: pino({ level: process.env.TEST_LOG ?? 'silent' }),
      fatal: (error) => {
        throw error;
      },
      ...this.options,
    });
  }

  async stop(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }

  /** Between stop and start: what a start finds must be what a stop left. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  token(uses = 1, lifeMs = 60_000, device?: string): Promise<string> {
    const use = { uses, lifeMs, ...(device ? { device } : {}) };
    return createToken(this.running.catalogue.enrolment, this.capabilities, use);
  }

  async enrol(name = 'laptop'): Promise<DeviceClient> {
    const response = await fetch(`${this.url}/v1/devices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: await this.token(), name }),
    });
    const { device, credential, receiptKey } = (await response.json()) as Record<string, string>;
    return new DeviceClient(() => this.url, device!, credential!, receiptKey!);
  }

  async dispose(): Promise<void> {
    await this.stop();
    if (!this.options.directory) await rm(this.directory, { recursive: true, force: true });
  }
}
