// Sabotaged build: a request waits for ever.
import { swap } from './swap.ts';

swap('client/http/http-client.js', new URL('./http-client-without-watchdog.js', import.meta.url));
