// restic on a local repository (format 2, --compression auto): it has no network here, so its growth is counted.
import { readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, type Program, runToEnd } from '../child.ts';
import { runMeasured } from '../measured.ts';
import type { Peer, Protection, Room } from './peer.ts';

export const restic: Peer = {
  name: 'restic',
  how: 'local repository, format 2, --compression auto',
  measure: 'repository growth',
  missing: () => (findProgram('restic') === undefined ? 'not installed: apt install restic' : undefined),
  run: async (room, use) => {
    const repository = join(room.directory, 'repository');
    const restic = (...args: string[]): Program => ({
      command: 'restic',
      args: ['--quiet', ...args],
      env: {
        RESTIC_REPOSITORY: repository,
        RESTIC_PASSWORD: 'bench',
        RESTIC_CACHE_DIR: join(room.directory, 'cache'),
      },
    });
    await runToEnd(restic('init', '--repository-version', '2'), room.signal);
    return use(protection(room, repository, restic));
  },
};

function protection(room: Room, repository: string, restic: (...args: string[]) => Program): Protection {
  return {
    backup: async (path) => {
      const before = bytesUnder(repository);
      const measured = await runMeasured(
        restic('backup', '--compression', 'auto', path),
        room.directory,
        room.signal,
      );
      return {
        up: bytesUnder(repository) - before,
        down: null,
        wallSeconds: measured.wallSeconds,
        device: measured.usage,
        server: null,
      };
    },
    restore: async (path, to) => {
      // restic restores a file under its whole path
      const target = join(room.directory, 'restored');
      const measured = await runMeasured(
        restic('restore', 'latest', '--target', target),
        room.directory,
        room.signal,
      );
      renameSync(join(target, path), to);
      return {
        up: null,
        down: null,
        wallSeconds: measured.wallSeconds,
        device: measured.usage,
        server: null,
      };
    },
  };
}

function bytesUnder(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
