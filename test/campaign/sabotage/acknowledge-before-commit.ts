// Sabotaged build: the receipt goes out, and then the version is written.
import { swap } from './swap.ts';

swap('server/version/accept-version.js', new URL('./accept-before-commit.js', import.meta.url));
