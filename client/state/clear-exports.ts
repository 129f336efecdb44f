// What earlier processes left of the registry: loaded copies of users' hives, and exports. Both hold secrets.
import { makeDirectory, removeAllThatCanBe } from '../durable-file.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * Unloads and removes it, and makes the folder. Nobody else may work in it. What can't be unloaded or removed is said and is left to the
 * next start: no failure, since the device can do without.
 */
export async function clearExports(
  folder: string,
  { registry, say }: { readonly registry: Registry | null; readonly say: (sentence: string) => void },
): Promise<void> {
  // First: Windows holds the file of a hive that is loaded.
  for (const failure of (await registry?.unloadLeft()) ?? [])
    say(`A copy of a user's registry stays loaded: ${failure.message} The next start tries again.`);
  for (const path of await removeAllThatCanBe(folder))
    say(
      `${path} is a secret that an earlier run left, and can't be removed now. The next start tries again.`,
    );
  await makeDirectory(folder);
}
