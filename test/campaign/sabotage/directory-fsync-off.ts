// Sabotaged build: files are on the disk, but nobody asked for their names.
import { swap } from './swap.ts';

swap('server/durable-file.js', new URL('./durable-file-without-directories.js', import.meta.url));
