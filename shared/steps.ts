// Work that is done in steps, so that who has others to see to can do so between two of them.

/** Each `yield` ends a step, which takes some milliseconds at most; what is returned is the result. */
export type Steps<T> = Generator<void, T>;

/** Items that are looked at in one step. */
export const STEP_ITEMS = 4_096;

/** Does it all at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
