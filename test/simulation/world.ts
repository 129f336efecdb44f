// The world of one simulation: a machine with a device on it, a line, a server, and what happens to them.
import type { BackupEvent } from '../../client/backup/backup-states.ts';
import type { DeviceDb } from '../../client/state/device-db.ts';
import type { NewBackup } from '../../client/state/queue-rows.ts';
import type { UploadEvent } from '../../client/upload/upload-states.ts';
import { Chance } from './chance.ts';
import { Disk, type Mood } from './disk.ts';
import { chooseFaults, type Event, type Faults } from './faults.ts';
import { Died, Life } from './life.ts';
import { giveBack, newDeviceDb, restoredDb } from './live-db.ts';
import { enter } from './mount.ts';
import { FINE_WEATHER, Network } from './network.ts';
import { Oracle, PATHS } from './oracle.ts';
import { type Running, SNAPSHOTS, startProcess, VOLUME } from './process.ts';
import type { Sabotage } from './sabotage.ts';
import { Scheduler } from './scheduler.ts';
import { ServerModel } from './server-model.ts';
import { changedContent, newContent } from './source.ts';

/** Steps after the last event in which the device may still die. */
const STEPS_TO_DIE = 60;
/** Some day. */
const BEGINNING = Date.UTC(2026, 10, 24);

export class World {
  readonly chance: Chance;
  readonly faults: Faults;
  readonly scheduler = new Scheduler();
  readonly disk = new Disk();
  readonly server: ServerModel;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly lines: string[] = [];
  /** Events of backups and packs that came up. */
  readonly met: string[] = [];
  /** The sources as they are now, by path. */
  readonly sources = new Map<string, Buffer>();
  /** And as the newest snapshot has them. */
  frozen: ReadonlyMap<string, Buffer> = new Map();
  db: DeviceDb;
  readonly #sabotage: Sabotage;
  /** Of the wall clock from the one that never goes back. */
  #offset = 0;
  #mtime = 1;
  #deaths: number;
  #happens: number;
  /** Sources by backup over a base; the first of them that is sent is used meanwhile, once. Null: none is, or it was. */
  #unusedWhileSent: Map<string, string> | null;
  #oldState: Buffer | undefined;
  #life = new Life(Number.POSITIVE_INFINITY);
  #running: Running | undefined;
  #asked = new Set<() => void>();
  #changed = false;
  #broken: unknown;
  #healed = false;
  /** Nothing will happen any more but deaths. */
  #over = false;
  /** The step of the last event. */
  #lastEvent = 0;
  /** Whether the server holds everything as it is now, and the device knows. */
  settled = false;

  constructor(seed: number, sabotage: Sabotage) {
    this.chance = new Chance(seed);
    this.faults = chooseFaults(this.chance);
    this.#sabotage = sabotage;
    this.#deaths = this.faults.deaths;
    this.#happens = this.faults.happens;
    this.#unusedWhileSent = this.faults.usedWhileSent ? new Map() : null;
    this.server = new ServerModel({
      now: () => BEGINNING + this.scheduler.now,
      newId: () => this.chance.uuid().replaceAll('-', ''),
      committed: (version) => this.oracle.committed(version),
      knownPackAgain: (pack) => this.oracle.sentAgain(pack),
    });
    const { scheduler, chance, server } = this;
    this.network = new Network({ scheduler, chance, server, trace: (line) => this.trace(line) });
    this.network.weather = this.faults.weather;
    this.oracle = new Oracle(this.disk, server);
    if (sabotage.syncs) this.disk.syncs = sabotage.syncs;
    this.db = newDeviceDb();
    this.db.prepare("INSERT INTO facts (name, value) VALUES ('vault_known', '1')").run();
    this.disk.putDirectory(SNAPSHOTS);
    this.disk.putDirectory(PATHS.root);
    for (let number = 0; number < this.faults.sources; number++)
      this.#write(`${VOLUME}/mail-${number}.pst`, newContent(this.chance));
  }

  trace(line: string): void {
    this.lines.push(`${Math.round(this.scheduler.now)} ${line}`);
  }

  wallClock(): number {
    return Math.round(BEGINNING + this.scheduler.now + this.#offset);
  }

  /** Whether everything that was to go wrong has. */
  get quiet(): boolean {
    return this.#over && (this.#deaths === 0 || this.scheduler.steps > this.#lastEvent + STEPS_TO_DIE);
  }

  /** The machine is switched on. */
  start(): void {
    const { scheduler, disk, chance } = this;
    const mortal = this.#deaths > 0 && !this.#healed;
    const effects = chance.is(0.5) ? chance.whole(1, 60) : chance.whole(40, 500);
    this.#life = new Life(mortal ? effects : Number.POSITIVE_INFINITY);
    this.#asked = new Set();
    const life = this.#life;
    enter({
      disk,
      scheduler,
      life,
      asked: this.#asked,
      latency: () => chance.next() * 3,
      reading: () => {},
    });
    if (this.faults.stateLost && !this.#healed && chance.is(0.5)) this.#oldState = this.db.serialize();
    this.trace('process starts');
    this.#running = startProcess(this, this.db, life, this.#sabotage);
    void this.#running.ended.then(
      () => this.#stopped(life),
      () => {},
    );
  }

  /** It ended as it was asked to, and is started again. */
  #stopped(life: Life): void {
    if (!life.alive) return;
    life.end();
    this.trace('process ended');
    this.scheduler.plan(this.chance.whole(1, 60_000), null, () => this.start());
  }

  /** Things begin to happen. */
  begin(): void {
    this.start();
    this.#next();
  }

  #next(): void {
    if (this.#happens === 0) {
      this.scheduler.plan(this.chance.whole(0, 30_000), null, () => {
        this.#over = true;
      });
      return;
    }
    const soon = !this.faults.slow && this.chance.is(0.6);
    const ms = soon ? this.chance.whole(0, 3_000) : this.chance.whole(1_000, 150_000);
    this.scheduler.plan(ms, null, () => {
      this.#happens--;
      this.#lastEvent = this.scheduler.steps;
      this.#happen(this.chance.pick(this.faults.events));
      this.#next();
    });
  }

  #happen(event: Event): void {
    this.trace(`event: ${event}`);
    const { chance, network, server, disk } = this;
    switch (event) {
      case 'source changes': {
        const path = chance.pick([...this.sources.keys()]);
        this.#write(path, changedContent(this.sources.get(path)!, chance));
        return;
      }
      case 'line goes':
        network.online = false;
        return;
      case 'line comes':
        network.online = true;
        if (chance.is(0.5)) this.#running?.sign();
        return;
      case 'server falls':
        network.serverUp = false;
        if (chance.is(0.5)) server.cutPower((length) => chance.whole(0, length));
        this.scheduler.plan(chance.whole(1, 60_000), null, () => {
          network.serverUp = true;
        });
        return;
      case 'server forgets uploads':
        server.forgetUploads();
        server.dropLists();
        return;
      case 'server is restored':
        if (server.restore(chance.whole(1, 3))) this.oracle.excuses.add('server-restored');
        return;
      case 'clock is set':
        this.#offset += chance.pick([7_200_000, -7_200_000, -259_200_000, 10 * 365 * 86_400_000]);
        this.scheduler.plan(1_000, null, () => this.#running?.sign());
        return;
      case 'disk is full':
        disk.full = true;
        return;
      case 'disk has room':
        disk.full = false;
        return;
      case 'staged pack is damaged':
        this.#damage();
        return;
      case 'process is stopped':
        if (this.#life.alive) this.#running?.stop();
        return;
    }
  }

  #damage(): void {
    const { chance, disk } = this;
    const folders = [...disk.directoryAt(PATHS.root).names.keys()].includes('staging')
      ? [...disk.directoryAt(PATHS.staging).names.values()]
      : [];
    const files = folders.flatMap((folder) =>
      folder.kind === 'directory' ? [...folder.names.values()] : [],
    );
    if (files.length === 0) return;
    const file = chance.pick(files);
    if (file.kind !== 'file' || file.bytes.length === 0) return;
    this.oracle.excuses.add('damage');
    const bytes = Buffer.from(file.bytes);
    const at = chance.whole(0, bytes.length - 1);
    bytes[at] = bytes[at]! ^ (1 << chance.whole(0, 7));
    file.bytes = chance.is(0.8) ? bytes : bytes.subarray(0, at);
    file.synced = file.bytes;
  }

  #write(path: string, content: Buffer): void {
    this.sources.set(path, content);
    this.#changed = true;
    this.disk.put(path, content, this.#mtime++);
  }

  /** After each step: the dead are buried, and everything that must be true is looked at. */
  afterStep(): void {
    if (this.#broken) throw this.#broken;
    if (!this.#life.alive && this.#running) {
      this.#running = undefined;
      if (!this.lines.at(-1)?.endsWith('process ended')) this.#bury();
    }
    if (!this.#changed) return;
    this.#changed = false;
    this.oracle.check(this.db);
    this.settled = this.oracle.settled(this.db, this.sources);
  }

  #bury(): void {
    const { chance, disk } = this;
    this.#deaths--;
    // What the disk was asked for is done or not.
    for (const effect of this.#asked) {
      if (!chance.is(0.5)) continue;
      try {
        effect();
      } catch {
        // It would have failed.
      }
    }
    const power = chance.is(this.faults.power);
    const mood: Mood = chance.pick(['nothing', 'everything', 'first', 'anything', 'anything']);
    this.trace(power ? `power cut: of what was not synced the disk had ${mood}` : 'process dies');
    if (power) disk.cutPower(chance, mood);
    if (this.faults.stateLost && chance.is(0.5)) this.#loseState();
    this.#changed = true;
    this.scheduler.plan(chance.whole(1, chance.is(0.5) ? 1_000 : 60_000), null, () => this.start());
  }

  #loseState(): void {
    this.oracle.excuses.add('state-lost');
    const old = this.#oldState !== undefined && this.chance.is(0.5);
    this.trace(old ? 'an old copy of the database is restored' : 'the database is lost');
    const lost = this.db;
    this.db = old ? restoredDb(this.#oldState!) : newDeviceDb();
    giveBack(lost);
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.#healed = true;
    this.#happens = 0;
    this.#deaths = 0;
    this.#life.spare();
    this.network.online = true;
    this.network.serverUp = true;
    this.network.weather = FINE_WEATHER;
    this.disk.full = false;
    this.trace('everything is well again');
  }

  stop(): void {
    this.#running?.stop();
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  // What the process tells.

  committed(): void {
    this.#changed = true;
  }

  began(backup: NewBackup, path: string): void {
    this.trace(
      `backup ${backup.id.slice(0, 8)} begins over ${backup.base_version?.slice(0, 8) ?? 'nothing'}`,
    );
    this.oracle.began(backup, this.frozen.get(path)!);
    if (backup.base_version !== null) this.#unusedWhileSent?.set(backup.id, path);
  }

  advances(id: string, event: BackupEvent): void {
    this.trace(`backup ${id.slice(0, 8)} ${event}`);
    this.met.push(`backup ${event}`);
    if (event === 'superseded') this.#guarded(() => this.oracle.superseded(this.db, id));
  }

  packAdvances(backup: string, number: number, event: UploadEvent): void {
    this.trace(`pack ${backup.slice(0, 8)}/${number} ${event}`);
    this.met.push(`pack ${event}`);
    if (event === 'created') this.#useWhileSent(backup);
  }

  #useWhileSent(backup: string): void {
    const path = this.#unusedWhileSent?.get(backup);
    if (path === undefined || this.#healed) return;
    this.#unusedWhileSent = null;
    const { scheduler, chance, network } = this;
    this.#write(path, changedContent(this.sources.get(path)!, chance));
    network.online = false;
    scheduler.plan(chance.whole(1_000, 900_000), null, () => {
      network.online = true;
    });
  }

  acknowledged(id: string): void {
    this.trace(`receipt for ${id.slice(0, 8)}`);
    this.#guarded(() => this.oracle.acknowledged(id));
  }

  failed(code: string, message: string): void {
    if (!this.#life.alive) return;
    this.trace(`failure ${code}`);
    this.#guarded(() => this.oracle.failed(code, message));
  }

  said(sentence: string): void {
    if (!this.#life.alive) return;
    this.#guarded(() => this.oracle.failed('', sentence));
  }

  recovered(): void {
    this.trace('recovered');
  }

  /** The process came to an end that nobody asked for. */
  broke(error: unknown): void {
    if (this.#life.alive && !(error instanceof Died)) this.#broken ??= error;
  }

  /** The device must not be able to catch what breaks a promise. */
  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#broken ??= error;
    }
  }
}
