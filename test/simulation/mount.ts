// Puts the simulated world under the modules of Node that the device uses, so that it runs as it is shipped: disk, timers.
import fs, { constants } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { type Disk, diskError, type Node } from './disk.ts';
import type { Life } from './life.ts';
import type { Planned, Scheduler } from './scheduler.ts';

/** Everything simulated lies below it. */
export const MOUNT = '/simulated';

/** Who the device runs as, and owns all there is: for root it would look at whose each folder is on the way to a source. */
const USER = 1_000;
process.geteuid = () => USER;

/** What the device's process works in; whoever simulates sets it before it starts one. */
export interface Machine {
  readonly disk: Disk;
  readonly scheduler: Scheduler;
  readonly life: Life;
  /** Milliseconds that an operation of the disk takes. */
  latency(): number;
  /** What the disk was asked for and has not done; at a death some of it is done. */
  readonly asked: Set<() => void>;
  /** Throws where this read fails. */
  reading(path: string): void;
}

let machine: Machine | undefined;

export function enter(entered: Machine): void {
  machine = entered;
}

/** What is done in answer to a request: later, and only for who still lives. */
function later<T>(effect: () => T): Promise<T> {
  const { scheduler, life, asked, latency } = machine!;
  if (!life.alive) return new Promise(() => {});
  asked.add(effect);
  return new Promise((resolve, reject) => {
    scheduler.plan(latency(), life, () => {
      life.effect();
      asked.delete(effect);
      try {
        resolve(effect());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

/** What answers without any effect on the disk. */
function looking<T>(look: () => T): Promise<T> {
  const { scheduler, life, latency } = machine!;
  return new Promise((resolve, reject) => {
    scheduler.plan(latency(), life, () => {
      try {
        resolve(look());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

function statsOf(node: Node) {
  const file = node.kind === 'file';
  return {
    size: file ? node.bytes.length : 0,
    mtimeMs: file ? node.mtimeMs : 0,
    // A copy in a snapshot has that of its file, as on a real one.
    ctimeMs: file ? node.mtimeMs : 0,
    blocks: 8,
    ...{ dev: 1, ino: 1, mode: 0o600, uid: USER, gid: USER },
    isFile: () => file,
    isDirectory: () => !file,
    isSymbolicLink: () => false,
    isFIFO: () => false,
    isSocket: () => false,
    isCharacterDevice: () => false,
    isBlockDevice: () => false,
  };
}

class Handle {
  readonly #path: string;
  readonly #node: Node;

  constructor(path: string, node: Node) {
    this.#path = path;
    this.#node = node;
  }

  #file() {
    if (this.#node.kind === 'file') return this.#node;
    throw diskError('EISDIR', this.#path);
  }

  read(into: Uint8Array, offset: number, length: number, position: number) {
    return looking(() => {
      machine!.reading(this.#path);
      const bytesRead = this.#file().bytes.copy(into, offset, position, position + length);
      return { bytesRead, buffer: into };
    });
  }

  write(from: Uint8Array, offset: number, length: number, position: number) {
    const bytes = from.subarray(offset, offset + length);
    return later(() => {
      machine!.disk.write(this.#file(), position, bytes);
      return { bytesWritten: length, buffer: from };
    });
  }

  writeFile(content: string | Uint8Array) {
    const bytes = Buffer.from(content as Uint8Array);
    return later(() => machine!.disk.write(this.#file(), 0, bytes));
  }

  truncate(length: number) {
    return later(() => machine!.disk.truncate(this.#file(), length));
  }

  stat() {
    return looking(() => statsOf(this.#node));
  }

  sync() {
    return later(() => machine!.disk.sync(this.#path, this.#node));
  }

  datasync() {
    return this.sync();
  }

  async close() {}
}

function isReading(flags: string | number): boolean {
  return typeof flags === 'number' ? (flags & 3) === constants.O_RDONLY : flags === 'r';
}

function lookUp(path: string, { bigint = false } = {}) {
  return looking(() => {
    const node = machine!.disk.find(path);
    if (!node) throw diskError('ENOENT', path);
    const stats = statsOf(node);
    if (!bigint) return stats;
    // What is asked for where this machine itself has a far mount.
    const mtimeMs = BigInt(Math.trunc(stats.mtimeMs));
    return { ...stats, size: BigInt(stats.size), mtimeMs, mtimeNs: mtimeMs * 1_000_000n };
  });
}

/** node:fs/promises as far as the device uses it; anything else it would ask for is undefined, and said so by Node. */
const promised = {
  open: (path: string, flags: string | number) =>
    isReading(flags)
      ? looking(() => new Handle(path, machine!.disk.open(path, 'r')))
      : later(() => new Handle(path, machine!.disk.open(path, String(flags)))),
  mkdir: (path: string) => later(() => machine!.disk.makeDirectory(path)),
  rm: (path: string, { force = false }: { force?: boolean } = {}) =>
    later(() => machine!.disk.remove(path, force)),
  stat: lookUp,
  lstat: lookUp,
  rename: (from: string, to: string) => later(() => machine!.disk.rename(from, to)),
  realpath: async (path: string) => path,
  readdir: (path: string) => looking(() => [...machine!.disk.directoryAt(path).names.keys()]),
  statfs: async () => ({ bavail: machine!.disk.full ? 0 : 2 ** 40, bsize: 1 }),
};

const open = new Map<number, { path: string; node: Node; at: number }>();
let descriptor = 1_000_000;

/** node:fs as far as the device uses it. */
const synchronous = {
  openSync: (path: string, flags: string) => {
    if (flags !== 'r') machine!.life.effect();
    open.set(++descriptor, { path, node: machine!.disk.open(path, flags), at: 0 });
    return descriptor;
  },
  renameSync: (from: string, to: string) => {
    machine!.life.effect();
    machine!.disk.rename(from, to);
  },
  rmSync: (path: string, { force = false }: { force?: boolean } = {}) => {
    machine!.life.effect();
    machine!.disk.remove(path, force);
  },
  createReadStream: (path: string) =>
    (async function* () {
      yield await looking(() => {
        machine!.reading(path);
        return machine!.disk.fileAt(path).bytes;
      });
    })(),
};

const byDescriptor = {
  writeSync: (fd: number, bytes: Uint8Array, offset: number, length: number) => {
    const { node, at } = open.get(fd)!;
    machine!.life.effect();
    machine!.disk.write(fileOf(node), at, bytes.subarray(offset, offset + length));
    open.get(fd)!.at += length;
    return length;
  },
  fsyncSync: (fd: number) => {
    const { path, node } = open.get(fd)!;
    machine!.life.effect();
    machine!.disk.sync(path, node);
  },
  closeSync: (fd: number) => open.delete(fd),
};

function fileOf(node: Node) {
  if (node.kind === 'file') return node;
  throw new Error('not a file');
}

type Functions = Record<string, (...args: never[]) => unknown>;

/** Replaces `given` of a module: what is below the mount, or a descriptor of it, goes to the simulated disk, all else on to Node. */
function divert(module: object, given: Functions, isOurs: (first: unknown) => boolean): void {
  for (const [name, ours] of Object.entries(given)) {
    const real = (module as Functions)[name]!;
    (module as Functions)[name] = (...args: never[]) => (isOurs(args[0]) ? ours(...args) : real(...args));
  }
}

function isBelowMount(path: unknown): boolean {
  return typeof path === 'string' && (path === MOUNT || path.startsWith(`${MOUNT}/`));
}

class Timer {
  readonly #planned: Planned;

  constructor(planned: Planned) {
    this.#planned = planned;
  }

  cancel(): void {
    this.#planned.cancelled = true;
  }

  unref(): this {
    return this;
  }
}

function setTimer(run: () => void, ms = 0): Timer {
  const { scheduler, life } = machine!;
  return new Timer(scheduler.plan(ms, life, run));
}

/** Waits of node:timers/promises, which a stop ends. */
function wait(ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimer(() => resolve(value), ms);
    signal?.addEventListener('abort', () => {
      timer.cancel();
      reject(signal.reason as Error);
    });
  });
}

/** For the life of this process, which does nothing but simulate. */
export function mount(): void {
  divert(fs.promises, promised, isBelowMount);
  divert(fs, synchronous, isBelowMount);
  divert(fs, byDescriptor, (fd) => open.has(fd as number));
  Object.assign(timers, { setTimeout: wait });
  Object.assign(globalThis, { setTimeout: setTimer, clearTimeout: (timer?: Timer) => timer?.cancel() });
  syncBuiltinESMExports();
}
