// Puts another module in the place of one of the program's, before the program is loaded: how a sabotaged build is made.
import { register } from 'node:module';

/** `module`: its path in the build, such as server/pack/check-pack.js. `by`: what every importer but that one gets instead. */
export function swap(module: string, by: URL): void {
  register(new URL('./swap-hooks.js', import.meta.url), { data: { module, by: by.href } });
}
