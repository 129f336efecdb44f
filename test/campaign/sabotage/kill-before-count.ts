// A build that dies between "this pack is lost" and the count of the versions that stand on it.
import { swap } from './swap.ts';

swap('server/healing/damage.js', new URL('./kill-before-count-damage.js', import.meta.url));
