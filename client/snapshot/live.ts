// The explicit non-snapshot: the live file. What is read here is trusted only if the file did not change meanwhile.
import { parse } from 'node:path';
import type { SnapshotProvider } from './snapshot.ts';

/** Freezes nothing; take-backup.ts accepts a live read only if size, time and header are the same after it as before. */
export const liveFiles: SnapshotProvider = {
  kind: 'live',
  volumeOf: async (path) => ({ root: parse(path).root }),
  create: async (volume) => ({ root: volume.root, handle: null, outlookRunning: null }),
  pathIn: (_root, _volume, real) => real,
  exists: async () => true,
  remove: async () => true,
};
