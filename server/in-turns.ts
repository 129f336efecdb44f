// Long work of this process's only thread, done so that everybody else is answered meanwhile.
import { setImmediate as others } from 'node:timers/promises';
import type { Steps } from '../shared/steps.ts';

/** After so long everybody else has their turn: ms. Far below what anybody notices. */
const TURN_MS = 15;

/** A turn of work whose steps wait for each other, but often for nothing else: promises alone let nobody in between. */
export class Turn {
  #began = performance.now();

  /** Lets everything that waits go first, where this turn is over. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#began < TURN_MS) return;
    await others();
    this.#began = performance.now();
  }
}

/** Does `steps`, and lets everything that waits go first whenever a turn is over. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (const turn = new Turn(); ; await turn.breathe()) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
