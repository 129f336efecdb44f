// Locks for tus without spinning: one request works on an upload at a time, the next asks it to let go and is woken.
import type { Locker, RequestRelease } from '@tus/server';
import { Failure } from '../../shared/failure.ts';

interface Holder<Owner> {
  readonly owner: Owner;
  /** Aborted when the holder has to end. */
  readonly signal: AbortSignal;
  /** Asks the holder to end soon. */
  readonly release: RequestRelease;
}

interface Waiter<Owner> extends Holder<Owner> {
  /** Hands the lock over. */
  wake(): void;
}

interface Held<Owner> {
  holder: Holder<Owner>;
  readonly waiting: Waiter<Owner>[];
}

/**
 * Locks by upload id, within this process. Whoever comes asks the holder, by its `cancelReq`, to end soon; those who wait
 * are served in the order they came. A Failure `busy` (423) after `timeoutMs`, or when the waiting request is aborted.
 */
export class UploadLocker<Owner> {
  readonly #timeoutMs: number;
  readonly #held = new Map<string, Held<Owner>>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** The locker as one request sees it: what is locked through it is `owner`'s. */
  of(owner: Owner): Locker {
    return {
      newLock: (id) => ({
        lock: (signal, release) => this.#lock(id, { owner, signal, release }),
        unlock: async () => this.#unlock(id),
      }),
    };
  }

  /** Whose the lock of `id` is. It is an error to ask where nobody holds it. */
  holder(id: string): { readonly owner: Owner; readonly signal: AbortSignal } {
    const held = this.#held.get(id);
    if (!held) throw new Error('an upload is worked on without its lock');
    return held.holder;
  }

  async #lock(id: string, holder: Holder<Owner>): Promise<void> {
    const { signal } = holder;
    if (signal.aborted) throw busy();
    const held = this.#held.get(id);
    if (!held) {
      this.#held.set(id, { holder, waiting: [] });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      };
      const waiter: Waiter<Owner> = {
        ...holder,
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
      void held.holder.release();
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
    held.holder = next;
    next.wake();
    // Those who still wait want it from the new holder just as much.
    if (held.waiting.length > 0) void next.release();
  }
}

function busy(): Failure {
  return new Failure('busy', 'Another request works on this upload.');
}
