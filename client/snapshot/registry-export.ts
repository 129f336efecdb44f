// Snapshot provider for registry sources: one key, written out in one piece to a file that only its owner can read.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory } from '../durable-file.ts';
import { addDefaultProfile } from '../registry/default-profile.ts';
import { isRegistryPath, type Registry } from '../registry/registry.ts';
import type { SnapshotProvider } from './snapshot.ts';

/**
 * A volume is the key itself, and its frozen view is the exported file. What it holds is a secret: the file has mode 0600, lies in
 * `folder`, which is made with mode 0700, and is removed with the snapshot, by the journal also after a crash.
 */
export function registryExports(registry: Registry, folder: string): SnapshotProvider {
  const placeOf = (id: string) => join(folder, `${id}.reg`);
  return {
    kind: 'export',
    volumeOf: async (path) => (isRegistryPath(path) ? { root: path } : null),
    async create({ root: key }, id) {
      await makeDirectory(folder);
      const file = placeOf(id);
      if (!(await registry.exportTo(key, file)))
        throw new Failure('source_missing', `The registry key ${key} is not there.`);
      await addDefaultProfile(registry, key, file);
      return { root: file, handle: null, outlookRunning: null };
    },
    pathIn: (root) => root,
    exists: async ({ id }) => existsSync(placeOf(id)),
    async remove({ id }) {
      await rm(placeOf(id), { force: true });
      return true;
    },
  };
}
