// What holds where no place says anything: apart from the checks of settings, which take longer to load than a look takes.
import { DEFAULT_QUOTA } from '../state/staging.ts';
import type { Values } from './settings.ts';

/** A look at a locked store costs a snapshot: hence the minimum. */
export const DEFAULTS = {
  allowHttp: false,
  everyMinutes: 15,
  minimumMinutes: 5,
  snapshot: 'require',
  stagingMegabytes: Math.floor(DEFAULT_QUOTA / 1_000_000),
  paths: [],
  caches: false,
  search: false,
  exclude: [],
  // A laptop that rests over a weekend or a short holiday raises no alarm; one that was off for longer has mail that nobody looked at.
  protectedDays: 7,
  // As long as a stick may lie in a drawer before its stores count as gone for good.
  goneDays: 7,
  networkStores: 'off',
} as const satisfies Partial<Values>;
