// What a test hands to the device in place of a main file: real clocks and chance, nothing of Windows, and nobody who asks it to stop.
import { randomUUID } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Surroundings } from '../../../client/device.ts';

/** `given` in place of those. */
export function surroundingsHere(given: Partial<Surroundings> = {}): Surroundings {
  return {
    now: Date.now,
    monotonic: () => performance.now(),
    interfaces: networkInterfaces,
    chance: Math.random,
    newId: randomUUID,
    powershell: null,
    registry: null,
    stop: new AbortController().signal,
    ...given,
  };
}
