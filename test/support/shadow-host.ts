// A made-up Windows that makes shadow copies by copying folders: what powershell-double.mjs speaks for. It keeps count of all it was
// asked, and fails in every way a test wants.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Look, Shadow } from '../../client/snapshot/vss/answer.ts';

/** What the double writes and how it ends. */
export interface Reply {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  /** Never ends by itself. */
  readonly hang?: boolean;
  /** Ends itself by this signal. */
  readonly kill?: NodeJS.Signals;
}

export interface Asked {
  readonly action: string;
  readonly request: string;
  readonly volume?: string;
  readonly id?: string;
}

/** In place of what a request would come to. */
export type Fault = Reply | ((asked: Asked, host: ShadowHost) => Reply | Promise<Reply>);

export interface HostOptions {
  /** Copies a volume as it is now; where the copy can be read. */
  readonly copy: (volume: { device: string; root: string }, number: number) => string;
  /** Removes a copy. */
  readonly drop: (copy: string) => void;
  readonly now?: () => number;
}

/** The id of the volume that the host begins with. */
export const VOLUME = '\\\\?\\Volume{11111111-2222-3333-4444-555555555555}\\';

export class ShadowHost {
  readonly asked: Asked[] = [];
  /** The words of each call. */
  readonly words: string[][] = [];
  readonly shadows: Shadow[] = [];
  /** Ids of those that were there when they were asked to be deleted, and are gone since. */
  readonly deleted: string[] = [];
  look: Omit<Look, 'shadows'>;
  outlook = false;
  readonly #options: HostOptions;
  readonly #faults = new Map<string, Fault[]>();
  readonly #server: Server;
  #numbers = 0;

  private constructor(root: string, options: HostOptions) {
    this.#options = options;
    this.look = {
      volumes: [{ device: VOLUME, name: root, fileSystem: 'NTFS', driveType: 3, free: 100_000_000_000 }],
      mounts: [],
      storage: [{ device: VOLUME, used: 0, most: 10_000_000_000 }],
      problem: null,
    };
    this.#server = createServer((request, response) => {
      void json(request).then(async (body) => {
        const { words, input } = body as { words: string[]; input: string };
        response.end(JSON.stringify(await this.#reply(words, input)));
      });
    });
  }

  /** Listens; `root` is the mount point of its one volume. */
  static async start(root: string, options: HostOptions): Promise<ShadowHost> {
    const host = new ShadowHost(root, options);
    host.#server.listen(0, '127.0.0.1');
    await once(host.#server, 'listening');
    return host;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The next requests of this action meet these, one each. */
  fault(action: string, ...faults: Fault[]): void {
    this.#faults.set(action, [...(this.#faults.get(action) ?? []), ...faults]);
  }

  /** Forgets what it was asked, what was to fail, and every shadow copy. */
  clear(): void {
    this.asked.length = 0;
    this.words.length = 0;
    this.deleted.length = 0;
    this.#faults.clear();
    for (const { id } of [...this.shadows]) this.lose(id);
  }

  /** How often this was asked for. */
  count(action: string): number {
    return this.asked.filter((each) => each.action === action).length;
  }

  /** Ids that were asked to be deleted, in order. */
  get deletions(): string[] {
    return this.asked.filter(({ action }) => action === 'delete').map(({ id }) => id!);
  }

  /** Makes a shadow copy, as Windows or another program does. */
  make(more: Partial<Shadow> = {}): Shadow {
    const number = ++this.#numbers;
    const volume = this.look.volumes.find(({ device }) => device === (more.volume ?? VOLUME))!;
    const shadow: Shadow = {
      id: `{${randomUUID().toUpperCase()}}`,
      volume: volume.device,
      device: this.#options.copy({ device: volume.device, root: volume.name! }, number),
      clientAccessible: true,
      noWriters: true,
      installed: new Date((this.#options.now ?? Date.now)()).toISOString(),
      ...more,
    };
    this.shadows.push(shadow);
    return shadow;
  }

  /** Takes one away, as Windows does when its storage is full. */
  lose(id: string): boolean {
    const index = this.shadows.findIndex((shadow) => shadow.id === id);
    if (index === -1) return false;
    this.#options.drop(this.shadows[index]!.device);
    this.shadows.splice(index, 1);
    return true;
  }

  /** A framed answer. */
  answer(asked: Asked, result: object): Reply {
    return { stdout: `<<mailferry:${JSON.stringify({ request: asked.request, result })}:mailferry>>\r\n` };
  }

  /** A framed answer with an error in it. */
  problem(asked: Asked, error: string, category = 'NotSpecified', message = 'It failed.'): Reply {
    const body = JSON.stringify({ request: asked.request, error: { error, category, message } });
    return { stdout: `<<mailferry:${body}:mailferry>>\r\n` };
  }

  /** What a request comes to where nothing is in its way. */
  async serve(asked: Asked): Promise<Reply> {
    switch (asked.action) {
      case 'look':
        return this.answer(asked, { ...this.look, shadows: this.shadows });
      case 'create': {
        if (!this.look.volumes.some(({ device }) => device === asked.volume)) {
          return this.answer(asked, { returnValue: 3, outlook: this.outlook, id: null, device: null });
        }
        const { id, device } = this.make({ volume: asked.volume! });
        return this.answer(asked, { returnValue: 0, outlook: this.outlook, id, device });
      }
      case 'find':
        return this.answer(asked, { shadow: this.shadows.find(({ id }) => id === asked.id) ?? null });
      case 'delete': {
        const deleted = this.lose(asked.id!);
        if (deleted) this.deleted.push(asked.id!);
        return this.answer(asked, { deleted });
      }
      default:
        return this.problem(asked, 'an action that there is not');
    }
  }

  async #reply(words: string[], input: string): Promise<Reply> {
    this.words.push(words);
    const asked = JSON.parse(input) as Asked;
    this.asked.push(asked);
    const fault = this.#faults.get(asked.action)?.shift();
    if (typeof fault === 'function') return fault(asked, this);
    return fault ?? this.serve(asked);
  }
}
