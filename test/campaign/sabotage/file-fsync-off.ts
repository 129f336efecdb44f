// Sabotaged build: a pack gets its name, durably, but nobody asked for its bytes.
import { swap } from './swap.ts';

swap('server/vault/file.js', new URL('./vault-without-file-fsync.js', import.meta.url));
