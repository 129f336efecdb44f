// A device of the built program inside the running test: its server is a process of its own, and what a test makes up is here.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished } from 'vitest';
import type { RunResult } from '../../../client/backup/run-backup.ts';
import type { Device } from '../../../client/device.ts';
import type { Sender } from '../../../client/upload/sender.ts';
import { ROUTES } from '../../../shared/routes.ts';
import { makeMailFile, sha256Of } from '../mail-file.ts';
import { enrol, type RunningServer } from '../mailferry.ts';
import { tempDir } from '../temp-dir.ts';
import { surroundingsHere } from './surroundings.ts';

/** A module of the built device: its workers are beside it. */
export const built = (name: string) =>
  import(new URL(`../../../dist/client/${name}.js`, import.meta.url).href);
const deviceModule = (await built('device')) as typeof import('../../../client/device.ts');
const recoverModule = (await built('healing/recover')) as typeof import('../../../client/healing/recover.ts');
const runModule = (await built('backup/run-backup')) as typeof import('../../../client/backup/run-backup.ts');
const senderModule = (await built('upload/sender')) as typeof import('../../../client/upload/sender.ts');
const stateModule = (await built(
  'state/state-directory',
)) as typeof import('../../../client/state/state-directory.ts');
const liveModule = (await built('snapshot/live')) as typeof import('../../../client/snapshot/live.ts');

export interface Session {
  readonly device: Device;
  readonly sender: Sender;
  /** One run of the store, read live; `wait`: until its receipt. */
  run(wait: boolean): Promise<RunResult>;
}

/** A store of `size` bytes and a device that was enrolled for it. */
export async function deviceHere(server: RunningServer, size: number) {
  const root = tempDir();
  const path = join(root, 'mail.pst');
  makeMailFile(path, size, 5);
  const state = join(root, 'state');
  await enrol(server.data, server.url, state);
  const said: string[] = [];
  const receipted: string[] = [];

  /** One process of the device: opened, brought in order, and closed again. `offline`: nothing is sent. */
  const session = <T>(use: (session: Session) => Promise<T>, offline = false): Promise<T> => {
    const surroundings = surroundingsHere({ chance: () => 0 });
    const progress = { report: () => {}, say: (text: string) => void said.push(text), clear: () => {} };
    const options = { paths: stateModule.statePaths(state), surroundings, progress, quota: 1e9 };
    return deviceModule.withDevice(options, async (opened) => {
      const device = { ...opened, snapshots: [liveModule.liveFiles] };
      const sender = new senderModule.Sender(device, {
        onReceipt: ({ version }) => void receipted.push(version.id),
      });
      if (offline) await sender.close();
      try {
        await recoverModule.recover(device);
        const sources = [device.sources.register(path, 'pst')];
        const run = (wait: boolean) =>
          runModule.runBackup(device, sender, { sources, snapshot: 'live', wait });
        return await use({ device, sender, run });
      } finally {
        await sender.close();
      }
    });
  };

  /** Changes rows behind the back of the device. */
  const damage = (sql: string) => {
    const db = new Database(stateModule.statePaths(state).db);
    try {
      expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    } finally {
      db.close();
    }
  };

  /** SHA-256 of a version as the server gives its bytes. */
  const sha256OfVersion = (id: string) =>
    session(async ({ device }) => {
      const { body } = await device.server.request('GET', ROUTES.content(id));
      const hash = createHash('sha256');
      for await (const part of body) hash.update(part as Buffer);
      return hash.digest('hex');
    }, true);

  return { path, state, said, receipted, session, damage, sha256OfVersion, sum: () => sha256Of(path) };
}

/** From now on statements of SQLite whose text holds `words` fail, `times` times, as a disk makes them fail; how many have. */
export function failStatement(words: string, code: string, times = 1): () => number {
  const db = new Database(':memory:');
  const prototype = Object.getPrototypeOf(db.prepare('SELECT 1'));
  db.close();
  const { run } = prototype;
  let failed = 0;
  prototype.run = function (this: { source: string }, ...values: unknown[]) {
    if (failed === times || !this.source.includes(words)) return Reflect.apply(run, this, values);
    failed++;
    throw Object.assign(new Error(`made up: ${code}`), { code });
  };
  onTestFinished(() => {
    prototype.run = run;
  });
  return () => failed;
}
