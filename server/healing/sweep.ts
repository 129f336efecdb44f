// Puts right at start what a crash left behind: orphans go, what was complete is published. Nothing published is touched.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { asFailure } from '../../shared/failure.ts';
import type { DeviceScope } from '../device-scope.ts';
import { codeOf, isFatal } from '../disk-failure.ts';

/**
 * Removes the staged files of a device that no upload owns, and the change lists that no row knows. Only before
 * requests are taken: an upload's file is there a moment before its row.
 */
export async function removeOrphans({ catalogue, lists, store }: DeviceScope): Promise<void> {
  await lists.removeOrphans();
  for (const name of await readdir(store.directory)) {
    const row = await catalogue.uploads.get(name);
    if (!row || row.finished) await rm(join(store.directory, name), { force: true });
  }
}

/**
 * Finishes the uploads of a device that have all their bytes but were not published, and drops those that have none left.
 * May run beside requests. What can't be finished is logged and left to the device's next attempt;
 * only a disk that fails (isFatal) ends it.
 */
export async function finishComplete(scope: DeviceScope, log: Logger): Promise<void> {
  const { catalogue, finisher, store } = scope;
  for (const { id, length } of await catalogue.uploads.unfinished()) {
    const written = await lengthOf(join(store.directory, id));
    if (written !== undefined && written < length) continue;
    try {
      await finisher.finish(id);
      log.info({ device: scope.device, upload: id }, 'an upload was finished that a crash had cut short');
    } catch (error) {
      if (isFatal(error)) throw error;
      const { code, message } = asFailure(error);
      log.warn({ device: scope.device, upload: id, code }, message);
    }
  }
}

async function lengthOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
