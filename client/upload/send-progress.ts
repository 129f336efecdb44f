// How far the packs of a backup are, told to whoever shows it, but not more often than anyone can see.
import type { Device } from '../device.ts';
import type { WaitingPack } from '../state/queue-rows.ts';
import { packKey } from './send-plan.ts';

/** Between two reports. */
const TELL_MS = 200;

export class SendProgress {
  readonly #device: Pick<Device, 'queue' | 'sources' | 'progress' | 'now'>;
  /** Bytes that the server has of packs under way. */
  readonly #written = new Map<string, number>();
  #toldAt = 0;

  constructor(device: Pick<Device, 'queue' | 'sources' | 'progress' | 'now'>) {
    this.#device = device;
  }

  /** Bytes that the server has of a pack under way, as far as was seen. */
  of(pack: WaitingPack): number {
    return this.#written.get(packKey(pack)) ?? 0;
  }

  /** The server has `offset` bytes of a pack. */
  written(pack: WaitingPack, offset: number): void {
    this.#written.set(packKey(pack), offset);
    this.#tell(pack.backup_id);
  }

  /** A pack is no longer under way: the queue knows how it ended. */
  ended(pack: WaitingPack): void {
    this.#written.delete(packKey(pack));
    this.#tell(pack.backup_id);
  }

  #tell(id: string): void {
    const { queue, sources, progress, now } = this.#device;
    if (Math.abs(now() - this.#toldAt) < TELL_MS) return;
    this.#toldAt = now();
    const backup = queue.backup(id);
    if (!backup) return;
    const { total, known } = queue.progressOf(id);
    let underWay = 0;
    for (const [key, written] of this.#written) if (key.startsWith(id)) underWay += written;
    const path = sources.get(backup.source_id).path;
    progress.report({ phase: 'send', path, done: Math.min(total, known + underWay), total });
  }
}
