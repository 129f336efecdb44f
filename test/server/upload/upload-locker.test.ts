// The locker: one at a time, in order, the holder asked to let go, nobody waiting for ever and no core kept busy by waiting.
import { describe, expect, it, vi } from 'vitest';
import { UploadLocker } from '../../../server/upload/upload-locker.ts';

const never = new AbortController().signal;
const noop = (): void => undefined;

describe('a lock', () => {
  it('passes from one to the next in the order they came, and each is asked to let go', async () => {
    const locker = new UploadLocker(1_000);
    const order: number[] = [];
    const asked: number[] = [];
    const workers = [0, 1, 2, 3].map(async (n) => {
      const lock = locker.of('anyone').newLock('id');
      await lock.lock(never, () => void asked.push(n));
      order.push(n);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await lock.unlock();
    });
    await Promise.all(workers);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(new Set(asked)).toEqual(new Set([0, 1, 2]));
  });

  it('knows whose it is, and by what signal that one is to end', async () => {
    const locker = new UploadLocker<string>(1_000);
    const signals = [new AbortController().signal, new AbortController().signal];
    const first = locker.of('first').newLock('id');
    await first.lock(signals[0]!, noop);
    const second = locker.of('second').newLock('id').lock(signals[1]!, noop);
    expect(locker.holder('id')).toMatchObject({ owner: 'first' });
    await first.unlock();
    await second;
    expect(locker.holder('id').owner).toBe('second');
    expect(locker.holder('id').signal).toBe(signals[1]);
    expect(() => locker.holder('another')).toThrow('without its lock');
  });

  it('does not hold up another id', async () => {
    const locker = new UploadLocker(1_000);
    await locker.of('anyone').newLock('a').lock(never, noop);
    await locker.of('anyone').newLock('b').lock(never, noop);
  });

  it('is given up with `busy` after the time-out, and the next in line still gets it', async () => {
    const locker = new UploadLocker(30);
    const held = locker.of('anyone').newLock('id');
    await held.lock(never, noop);
    await expect(locker.of('anyone').newLock('id').lock(never, noop)).rejects.toMatchObject({ code: 'busy' });
    const later = locker.of('anyone').newLock('id').lock(never, noop);
    await held.unlock();
    await later;
  });

  it('is given up at once by a request that is aborted, before or while it waits', async () => {
    const locker = new UploadLocker(10_000);
    await locker.of('anyone').newLock('id').lock(never, noop);
    const abort = new AbortController();
    const waiting = locker.of('anyone').newLock('id').lock(abort.signal, noop);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'busy' });
    await expect(locker.of('anyone').newLock('id').lock(abort.signal, noop)).rejects.toMatchObject({
      code: 'busy',
    });
  });

  it('does not run while it waits', async () => {
    const locker = new UploadLocker(10_000);
    const held = locker.of('anyone').newLock('id');
    await held.lock(never, noop);
    const waiting = locker.of('anyone').newLock('id').lock(never, noop);
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(process.cpuUsage(before).user).toBeLessThan(100_000);
    await held.unlock();
    await waiting;
  });

  it('refuses to be released by nobody', async () => {
    await expect(new UploadLocker(10).of('anyone').newLock('id').unlock()).rejects.toThrow('nobody held');
  });

  it('leaves no timer behind', async () => {
    vi.useFakeTimers();
    try {
      const locker = new UploadLocker(60_000);
      const held = locker.of('anyone').newLock('id');
      await held.lock(never, noop);
      const waiting = locker.of('anyone').newLock('id').lock(never, noop);
      expect(vi.getTimerCount()).toBe(1);
      await held.unlock();
      await waiting;
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
