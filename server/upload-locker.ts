// Locks for tus without spinning: one request works on an upload at a time, the next asks it to let go and is woken.
import type { Lock, Locker, RequestRelease } from '@tus/server';
import { Failure } from '../shared/failure.ts';

interface Waiter {
  /** Hands the lock over. */
  wake(): void;
  readonly release: RequestRelease;
}

interface Held {
  release: RequestRelease;
  readonly waiting: Waiter[];
}

/**
 * Locks by upload id, within this process. Whoever comes asks the holder, by its `cancelReq`, to end soon; those who wait
 * are served in the order they came. A Failure `busy` (423) after `timeoutMs`, or when the waiting request is aborted.
 */
export class UploadLocker implements Locker {
  readonly #timeoutMs: number;
  readonly #held = new Map<string, Held>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  newLock(id: string): Lock {
    return {
      lock: (signal, cancelReq) => this.#lock(id, signal, cancelReq),
      unlock: async () => this.#unlock(id),
    };
  }

  async #lock(id: string, signal: AbortSignal, release: RequestRelease): Promise<void> {
    if (signal.aborted) throw busy();
    const held = this.#held.get(id);
    if (!held) {
      this.#held.set(id, { release, waiting: [] });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      };
      const waiter: Waiter = {
        release,
        wake: () => {
          stop();
          resolve();
        },
      };
      const giveUp = (): void => {
        stop();
        held.waiting.splice(held.waiting.indexOf(waiter), 1);
        reject(busy());
      };
      const timer = setTimeout(giveUp, this.#timeoutMs);
      signal.addEventListener('abort', giveUp, { once: true });
      held.waiting.push(waiter);
      void held.release();
    });
  }

  #unlock(id: string): void {
    const held = this.#held.get(id);
    if (!held) throw new Error('a lock was released that nobody held');
    const next = held.waiting.shift();
    if (!next) {
      this.#held.delete(id);
      return;
    }
    held.release = next.release;
    next.wake();
    // Those who still wait want it from the new holder just as much.
    if (held.waiting.length > 0) void next.release();
  }
}

function busy(): Failure {
  return new Failure('busy', 'Another request works on this upload.');
}
