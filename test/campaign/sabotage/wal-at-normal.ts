// Sabotaged build: the catalogue's commits are whole, but not durable.
import { swap } from './swap.ts';

swap('server/catalogue/sqlite.js', new URL('./sqlite-at-normal.js', import.meta.url));
