// A server, a device, a line between them and a few sources, alive through many faults; the oracle stands outside.
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { changeMailFile, makeMailFile, samplePaths, sha256Of } from '../support/mail-file.ts';
import { between, pick, type Random } from './chance.ts';
import type { Exchange } from './http-watch.ts';
import { Oracle, Violation } from './oracle.ts';
import { type Ended, kill, type Launch, lastJson, mailferry, type Process } from './program.ts';
import { type Verdict, WatchedProxy } from './proxy.ts';
import { cutPower, type FileSystem, Volume } from './volume.ts';

/** Room on each volume: the device leaves 256 MiB of its disk alone, and the images are sparse. */
const VOLUME_BYTES = 700_000_000;
/** After its faults are over a world has this long to bring everything home (a server that was full is asked again after 60 s). */
const SETTLE_MS = 120_000;
/** A start that says nothing for this long is counted as failed. */
const START_MS = 30_000;
/** Between two looks at the queue by whoever starts the device again: a service manager would do as much. */
const RESTART_MS = 200;
/** An agent that still runs when its faults are over has this long to heal by itself. */
const AGENT_MS = 4_000;
/** And then this long to stop. */
const STOP_MS = 10_000;

export interface WorldOptions {
  /** The database of each side lies on one kind of file system, its packs on the other. */
  readonly databases: FileSystem;
  /** Modules of the build loaded into a side before the program, such as a sabotaged adapter: from when the world works. */
  readonly deviceImports?: readonly string[];
  readonly serverImports?: readonly string[];
}

export interface Identity {
  readonly device: string;
  readonly credential: string;
  readonly receiptKey: string;
}

/** Exit code of a command line that is none: no fault leads to it. */
const WRONG_USE = 2;

/** How the device runs: until all has its receipt, or as the agent that stays. */
export type DeviceKind = 'backup' | 'agent';

const CLOCK = 'test/campaign/shifted-clock.js';

export class World {
  readonly root: string;
  readonly state: string;
  readonly data: string;
  readonly sources: readonly string[];
  readonly oracle: Oracle;
  /** The device's volumes: its database, its staging. */
  readonly deviceVolumes: readonly [Volume, Volume];
  /** The server's: its catalogue, its vaults. */
  readonly serverVolumes: readonly [Volume, Volume];
  readonly #options: WorldOptions;
  /** Milliseconds from the end of a fault to the next sign of life, and to the end of the healing that follows the last of a run. */
  #goesOn: number[] = [];
  #heals: number[] = [];
  #silentFrom: number | null = null;
  #brokenFrom: number | null = null;
  #proxy!: WatchedProxy;
  #identity!: Identity;
  #begun = false;
  #server: Process | null = null;
  #device: Process | null = null;
  #kind: DeviceKind = 'backup';
  /** Judges answers of the server while a fault wants to. */
  judge: (exchange: Exchange) => Verdict = () => 'pass';
  /** Called with every answer that passed. */
  onPassed: (exchange: Exchange) => void = () => {};

  private constructor(root: string, options: WorldOptions) {
    mkdirSync(root, { recursive: true });
    this.root = root;
    this.#options = options;
    this.state = join(root, 'state');
    this.data = join(root, 'data');
    this.oracle = new Oracle(join(root, 'oracle.jsonl'));
    const packs = options.databases === 'ext4' ? 'xfs' : 'ext4';
    const volume = (mount: string, fileSystem: FileSystem) =>
      new Volume(join(root, `${mount.replace('/', '-')}.img`), join(root, mount), {
        fileSystem,
        bytes: VOLUME_BYTES,
      });
    this.deviceVolumes = [volume('state', options.databases), volume('state/staging', packs)];
    this.serverVolumes = [volume('data', options.databases), volume('data/vaults', packs)];
    mkdirSync(join(root, 'sources'));
    this.sources = ['outlook.pst', 'archive.pst', 'exchange.ost'].map((name) => join(root, 'sources', name));
    this.setClock('device', 0);
    this.setClock('server', 0);
  }

  static async create(root: string, options: WorldOptions, random: Random): Promise<World> {
    const world = new World(root, options);
    try {
      await world.#begin(random);
      return world;
    } catch (error) {
      await world.destroy();
      throw error;
    }
  }

  async #begin(random: Random): Promise<void> {
    this.#proxy = await WatchedProxy.start({
      onAnswer: (exchange) => {
        this.oracle.upload(exchange);
        return this.judge(exchange);
      },
      onPassed: (exchange) => {
        this.oracle.passed(exchange);
        this.onPassed(exchange);
      },
      onLife: () => this.#alive(),
      onBody: (exchange, bytes) => this.oracle.body(exchange, bytes),
    });
    await this.startServer();
    const token = await this.#ok(['server', 'token', 'create', '--data', this.data, '--json']);
    const { token: text } = lastJson(token.stdout) as { token: string };
    await this.#ok(['enroll', '--server', this.#proxy.url, '--state', this.state, '--json'], {
      MAILFERRY_TOKEN: text,
    });
    this.#identity = JSON.parse(readFileSync(join(this.state, 'identity.json'), 'utf8'));
    for (const path of this.sources)
      makeMailFile(path, between(random, 1_500_000, 4_000_000), random() * 1e9);
    // One of them is a real store, its blocks spliced into later states by change().
    copyFileSync(samplePaths()[1]!, this.sources[2]!);
    truncateSync(this.sources[2]!, 3_000_000);
    for (const path of this.sources) await this.#remember(path);
    await this.settle();
    this.#begun = true;
    if (!this.#options.serverImports) return;
    await this.killServer();
    await this.startServer();
  }

  async #ok(words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
    const ended = await mailferry(words, { env }).ended;
    if (ended.code !== 0) throw new Error(`mailferry ${words.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return ended;
  }

  get proxy(): WatchedProxy {
    return this.#proxy;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** The server's own address, not through the line. */
  url = '';

  // Sources

  async #remember(path: string): Promise<void> {
    this.oracle.state(path, await sha256Of(path), statSync(path).size);
  }

  /**
   * Changes the sources as a day's work does: `pieces` of 0.5 to 8 KiB in place in each of some of them, now and then longer or
   * shorter. At least one changes, or `all`.
   */
  async change(
    random: Random,
    pieces = between(random, 100, 900),
    { all = false }: { all?: boolean } = {},
  ): Promise<void> {
    const sure = between(random, 0, this.sources.length - 1);
    for (const [index, path] of this.sources.entries()) {
      if (!all && index !== sure && random() < 0.4) continue;
      const { size } = statSync(path);
      if (random() < 0.15) truncateSync(path, Math.max(800_000, size - between(random, 1, 300_000)));
      changeMailFile(path, pieces, random() * 1e9);
      if (random() < 0.15) truncateSync(path, Math.min(6_000_000, size + between(random, 1, 200_000)));
      await this.#remember(path);
    }
  }

  // Processes

  #words(side: 'device' | 'server', launch: Launch): Launch {
    const { deviceImports, serverImports } = this.#options;
    const sabotage = this.#begun ? ({ device: deviceImports, server: serverImports }[side] ?? []) : [];
    return {
      ...launch,
      imports: [CLOCK, ...sabotage, ...(launch.imports ?? [])],
      asModules: sabotage.length > 0,
      env: { ...launch.env, CAMPAIGN_CLOCK: join(this.root, `${side}.clock`) },
    };
  }

  get server(): Process | null {
    return this.#server;
  }

  get device(): Process | null {
    return this.#device;
  }

  /** Starts the server, wherever it listens, and leads the line there; false where it did not come up. */
  async tryStartServer(launch: Launch = {}): Promise<boolean> {
    const words = ['server', '--data', this.data, '--listen', '127.0.0.1:0', '--json', '--log-level', 'warn'];
    const server = mailferry(words, this.#words('server', launch));
    this.#server = server;
    void server.ended.then((ended) => this.oracle.note('server ended', ended));
    const line = await Promise.race([server.firstLine, server.ended, pause(START_MS)]);
    if (typeof line !== 'string') return false;
    this.url = (JSON.parse(line) as { listening: string }).listening;
    this.#proxy.retarget(Number(new URL(this.url).port));
    return true;
  }

  /** Starts the server; that it does not come up is a Violation. */
  async startServer(launch: Launch = {}): Promise<void> {
    if (await this.tryStartServer(launch)) return;
    const ended = this.#server?.end;
    throw new Violation(
      `the server did not start: ${ended ? `${ended.code ?? ended.signal} ${ended.stderr}` : 'silent'}`,
    );
  }

  /** Starts the server and lets somebody look at it before the device gets a word in: the line stays down so long. */
  async startServerUnheard(look: () => Promise<void>): Promise<void> {
    const line = this.#proxy.line;
    this.#proxy.set({ ...line, down: true });
    try {
      await this.startServer();
      await look();
    } finally {
      this.#proxy.set(line);
    }
  }

  /** A server that ended, as it does when its disk fails, is started again, as a service manager would. */
  async keepServer(): Promise<void> {
    if (this.#server?.end === null) return;
    await this.startServer();
  }

  async killServer(): Promise<void> {
    if (this.#server) await kill(this.#server);
  }

  /** Starts the device on everything it protects; `agent`: the one that stays. */
  startDevice(launch: Launch = {}, kind: DeviceKind = 'backup'): Process {
    const how = kind === 'backup' ? ['backup', ...this.sources, '--wait'] : ['agent'];
    const words = [...how, '--snapshot', 'live', '--state', this.state, '--json'];
    // An agent is told what it protects by its settings, and finds no mail of whoever runs the campaign.
    const paths = {
      MAILFERRY_PATHS: this.sources.join(delimiter),
      MAILFERRY_MINIMUM_MINUTES: '0',
      HOME: this.root,
    };
    const env = kind === 'backup' ? launch.env : { ...launch.env, ...paths };
    const device = mailferry(words, this.#words('device', { ...launch, ...(env && { env }) }));
    this.#device = device;
    this.#kind = kind;
    return device;
  }

  /** Runs the device without waiting for receipts: what changed lies in staging afterwards. */
  async queueOnly(): Promise<Ended> {
    const words = ['backup', ...this.sources, '--snapshot', 'live', '--state', this.state, '--json'];
    return mailferry(words, this.#words('device', {})).ended;
  }

  async killDevice(): Promise<void> {
    if (this.#device) await this.#heard(await kill(this.#device));
  }

  /** What a device printed before it ended is a promise. */
  #heard(ended: Ended): void {
    if (ended.code === WRONG_USE) throw new Error(`the device was started wrongly: ${ended.stderr}`);
    for (const line of ended.stdout.split('\n')) {
      const json = lastJson(line);
      for (const version of json?.versions ?? []) this.oracle.receipt(version.receipt, 'printed');
    }
    this.oracle.note('device ended', { ...ended, stdout: ended.stdout.slice(-2_000) });
  }

  /** Lets the operator look through what the server keeps, beside the server, and move aside what is damaged. */
  async repairServer(): Promise<Ended> {
    const words = ['server', 'verify', '--repair', '--data', this.data, '--json'];
    const ended = await mailferry(words, this.#words('server', {})).ended;
    this.oracle.note('server repaired', ended);
    return ended;
  }

  /** The operator has the catalogue made again from the vaults; the server is down. That it fails is a Violation. */
  async rebuildServer(): Promise<void> {
    const words = ['server', 'rebuild', '--overwrite', '--data', this.data, '--json'];
    const ended = await mailferry(words, this.#words('server', {})).ended;
    this.oracle.note('catalogue rebuilt', ended);
    if (ended.code !== 0)
      throw new Violation(`the catalogue was not rebuilt: ${ended.code}: ${ended.stdout}${ended.stderr}`);
  }

  // Clocks and power

  /** Shifts the wall clock of a side by `ms` from that of this machine. */
  setClock(side: 'device' | 'server', ms: number): void {
    writeFileSync(join(this.root, `${side}.clock`), String(ms));
  }

  /** Nothing that comes after this reaches a disk or the other side. Ends with the side's volumes mounted again. */
  async cutPower(side: 'device' | 'server'): Promise<void> {
    const volumes = side === 'device' ? this.deviceVolumes : this.serverVolumes;
    const process = side === 'device' ? this.#device : this.#server;
    this.#proxy.freeze();
    process?.child.kill('SIGSTOP');
    cutPower(volumes);
    if (process) {
      const ended = await kill(process);
      if (side === 'device') this.#heard(ended);
    }
    this.oracle.note('power cut', { side });
    for (const volume of volumes.toReversed()) volume.detach();
    for (const volume of volumes) volume.attach();
    this.#proxy.reset();
    this.#proxy.thaw();
  }

  // Healing

  /** A fault is over: from now on it counts how long it takes until device and server are on speaking terms again, and until all is well. */
  faultOver(): void {
    this.#silentFrom = performance.now();
    this.#brokenFrom = this.#silentFrom;
  }

  #alive(): void {
    if (this.#silentFrom === null) return;
    this.#goesOn.push(performance.now() - this.#silentFrom);
    this.#silentFrom = null;
  }

  #healed(): void {
    if (this.#brokenFrom !== null) this.#heals.push(performance.now() - this.#brokenFrom);
    this.#brokenFrom = null;
  }

  /**
   * The times since the last call, in milliseconds: from each end of a fault to the first good answer that passes, and from the last
   * one before settle() to its end, when every source has its receipt.
   */
  takeTimes(): { goesOn: number[]; heals: number[] } {
    return { goesOn: this.#goesOn.splice(0), heals: this.#heals.splice(0) };
  }

  /** Waits until the device has ended or `ms` are over. */
  async deviceEnds(ms: number): Promise<Ended | null> {
    const device = this.#device;
    if (!device) return null;
    const stop = new AbortController();
    const ended = await Promise.race([
      device.ended,
      pause(ms, null, { signal: stop.signal }).catch(() => null),
    ]);
    stop.abort();
    if (ended) {
      this.#heard(ended);
      this.#device = null;
    }
    return ended;
  }

  /** Resolves when `condition` holds, when the device ended, or when `ms` are over; whether it holds. */
  async until(condition: () => boolean, ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end || (this.#device && this.#device.end !== null)) return condition();
      await pause(2);
    }
    return true;
  }

  /** No fault any more: both sides run until every source has its receipt. That they do not get there in `ms` is a Violation. */
  async settle(ms = SETTLE_MS): Promise<void> {
    this.judge = () => 'pass';
    this.onPassed = () => {};
    this.#proxy.set({});
    this.#proxy.thaw();
    this.#brokenFrom ??= performance.now();
    await this.stopAgent();
    const end = performance.now() + ms;
    let last: Ended | null = null;
    for (;;) {
      await this.keepServer();
      if (!this.#device || this.#device.end !== null) {
        if (this.#device) await this.deviceEnds(0);
        this.startDevice();
      }
      const ended = await this.deviceEnds(Math.max(0, end - performance.now()));
      if (ended?.code === 0) break;
      last = ended ?? last;
      if (!ended) await this.killDevice();
      if (!ended || performance.now() > end) {
        throw new Violation(
          `not healed after ${ms / 1_000} s: ${last ? `exit ${last.code ?? last.signal}: ${last.stdout}${last.stderr}` : 'the device still ran'}`,
        );
      }
      await pause(RESTART_MS);
    }
    this.#alive();
    this.#healed();
  }

  /** An agent does not say when all is well: it gets a while, is stopped, and a backup has to find everything right. */
  async stopAgent(): Promise<void> {
    if (this.#kind !== 'agent' || !this.#device || this.#device.end !== null) return;
    // What it did meanwhile is no time to heal.
    this.#brokenFrom = null;
    await this.keepServer();
    if (await this.deviceEnds(AGENT_MS)) return;
    this.#device.child.kill('SIGTERM');
    if (!(await this.deviceEnds(STOP_MS)))
      throw new Violation(`the agent did not stop within ${STOP_MS / 1_000} s of SIGTERM`);
  }

  /** Ends everything and removes the world, or leaves it for a look with its volumes detached. */
  async destroy({ keep = false } = {}): Promise<void> {
    if (this.#device) await kill(this.#device);
    if (this.#server) await kill(this.#server);
    await this.#proxy?.close();
    for (const volume of [...this.deviceVolumes.toReversed(), ...this.serverVolumes.toReversed()]) {
      if (keep) volume.detach();
      else volume.remove();
    }
    if (!keep) rmSync(this.root, { recursive: true, force: true });
  }
}

/** How a device runs that meets a fault, by chance. */
export function anyDevice(random: Random): DeviceKind {
  return random() < 0.4 ? 'agent' : 'backup';
}

/** A side of the world, by chance. */
export function anySide(random: Random): 'device' | 'server' {
  return pick(random, ['device', 'server'] as const);
}
