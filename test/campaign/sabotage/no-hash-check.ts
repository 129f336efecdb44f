// Sabotaged build: whatever arrives as a pack is believed to be the pack.
import { swap } from './swap.ts';

swap('server/pack/check-pack.js', new URL('./check-pack-without-hashes.js', import.meta.url));
