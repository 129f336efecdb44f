// The port of the campaign: one kind of fault, done to a world that works, again and again.
import type { Random } from './chance.ts';
import type { World } from './world.ts';

export interface Fault {
  /** For --only, and the row in the table. */
  readonly name: string;
  /** How many interruptions of this kind a whole campaign is to make. */
  readonly goal: number;
  /** It mostly waits for a time limit of the program: many of them run side by side. */
  readonly waits?: boolean;
  /** It destroys what was stored, so that packs have to be sent again whole. */
  readonly destroys?: boolean;
  /** Older versions may be gone for good afterwards, and say so: the world is not used again. */
  readonly spends?: boolean;
  /**
   * Changes sources, lets the device work, and interrupts. Called with a world that has healed; whoever called lets it heal and
   * checks it afterwards. Returns how often it interrupted. Everything it chooses comes from `random`. A Violation where a
   * promise is broken already.
   */
  run(world: World, random: Random): Promise<number>;
}
