// Knows what must be true: looks at database, disk and server after everything that happened, outside of what can crash.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { BACKUP_STATES } from '../../client/backup/backup-states.ts';
import type { DeviceDb } from '../../client/state/device-db.ts';
import type { NewBackup } from '../../client/state/queue-rows.ts';
import { statePaths } from '../../client/state/state-directory.ts';
import { UPLOAD_STATES } from '../../client/upload/upload-states.ts';
import type { Disk } from './disk.ts';
import { statement } from './live-db.ts';
import { MOUNT } from './mount.ts';
import type { HeldVersion, ServerModel } from './server-model.ts';

export const PATHS = statePaths(`${MOUNT}/state`);

/** A promise that was broken. */
export class Violation extends Error {}

/** What happened from outside that a promise can't hold against. */
export type Excuse =
  /** The server was restored from an old copy. */
  | 'server-restored'
  /** The device's database is gone or was restored from an old copy. */
  | 'state-lost'
  /** A file of the device was damaged. */
  | 'damage'
  /** Somebody answered in the server's place. */
  | 'stranger';

interface BackupRow {
  id: string;
  source_id: number;
  state: string;
  fingerprint: string | null;
  fingerprint_file: string | null;
  receipted: number;
}

interface PackRow {
  backup_id: string;
  number: number;
  id: string;
  state: string;
  url: string | null;
  backup_state: string | null;
}

interface SourceRow {
  path: string;
  base_version: string | null;
  base_root: string | null;
  base_size: number | null;
  base_complete: number | null;
  fingerprint: string | null;
  fingerprint_file: string | null;
  mark: string | null;
  last_failure: string | null;
}

/** Of contents that never change: computed once. */
const digests = new WeakMap<Buffer, string>();

export function digestOf(bytes: Buffer): string {
  const known = digests.get(bytes) ?? hash('sha256', bytes);
  digests.set(bytes, known);
  return known;
}

export class Oracle {
  readonly excuses = new Set<Excuse>();
  readonly #disk: Disk;
  readonly #server: ServerModel;
  /** What each backup read, by its id. */
  readonly #read = new Map<string, Buffer>();
  /** Versions whose receipt the device told of. */
  readonly #acknowledged = new Set<string>();

  constructor(disk: Disk, server: ServerModel) {
    this.#disk = disk;
    this.#server = server;
  }

  /** A backup began, and reads `content`. */
  began(backup: NewBackup, content: Buffer): void {
    this.#read.set(backup.id, content);
  }

  /** The server made a version: only a state that the source really had may be called complete. */
  committed({ id, complete, bytes }: HeldVersion): void {
    const read = this.#read.get(id)!;
    assert(read !== undefined, `version ${id} is of no backup`);
    assert(!complete || bytes.equals(read), `version ${id} is called complete and is a mixture`);
  }

  /** The device called a version backed up. */
  acknowledged(id: string): void {
    const there = this.#server.version(id) !== undefined;
    this.#unless(['server-restored'], there, `receipt for ${id}, which the server does not have`);
    this.#acknowledged.add(id);
  }

  /** The device begins to send a pack that the server has. */
  sentAgain(pack: string): void {
    this.#unless(
      ['server-restored', 'state-lost', 'stranger', 'damage'],
      false,
      `pack ${pack} is sent again whole`,
    );
  }

  /** A backup gives way to a newer one. */
  superseded(db: DeviceDb, id: string): void {
    const sent = statement(db, "SELECT 1 FROM packs WHERE backup_id = ? AND state <> 'staged'").get(id);
    assert(sent === undefined, `backup ${id} gave way though something of it was sent`);
  }

  /** A failure that the device recorded or told. */
  failed(code: string, message: string): void {
    const mistake = code === 'internal' || /can't meet|is not a function|undefined/.test(message);
    assert(!mistake, `the device failed in itself: ${message}`);
  }

  /** Everything that must be true at any time, also while nothing of the device runs. */
  check(db: DeviceDb): void {
    this.#checkSources(db);
    this.#checkBackups(db);
    this.#checkPacks(db);
    this.#checkReceipts(db);
  }

  #checkSources(db: DeviceDb): void {
    for (const source of statement<SourceRow>(db, 'SELECT * FROM sources').all()) {
      if (source.base_version === null) continue;
      const version = this.#server.version(source.base_version);
      const base = `the base ${source.base_version}`;
      this.#unless(['server-restored'], version !== undefined, `${base} is no version of the server`);
      const { root, size, complete } = version?.summary ?? {};
      const same =
        !version ||
        (root === source.base_root && size === source.base_size && complete === (source.base_complete === 1));
      assert(same, `${base} is another version on the server`);
      this.#checkFingerprint(source, base);
    }
  }

  #checkFingerprint(
    row: { fingerprint: string | null; fingerprint_file: string | null },
    whose: string,
  ): void {
    const file = this.#disk.find(join(PATHS.fingerprints, `${row.fingerprint_file}.fingerprint`));
    const whole = file?.kind === 'file' && digestOf(file.bytes) === row.fingerprint;
    this.#unless(['state-lost', 'damage'], whole, `the fingerprint of ${whose} is not on the disk`);
  }

  #checkBackups(db: DeviceDb): void {
    const rows = statement<BackupRow>(
      db,
      `SELECT id, source_id, state, fingerprint, fingerprint_file,
         EXISTS (SELECT 1 FROM receipts WHERE version = backups.id)
         OR EXISTS (SELECT 1 FROM forgotten_receipts WHERE version = backups.id) AS receipted FROM backups`,
    ).all();
    for (const row of rows) {
      assert((BACKUP_STATES as readonly string[]).includes(row.state), `a backup is ${row.state}`);
      assert(
        row.state !== 'receipted' || row.receipted === 1,
        `backup ${row.id} is receipted without a receipt`,
      );
      if (row.state === 'uploading' || row.state === 'committing')
        this.#checkFingerprint(row, `backup ${row.id} (${row.state})`);
    }
  }

  #checkPacks(db: DeviceDb): void {
    const rows = statement<PackRow>(
      db,
      `SELECT packs.backup_id, number, packs.id, packs.state, url, backups.state AS backup_state
         FROM packs LEFT JOIN backups ON backups.id = packs.backup_id`,
    ).all();
    for (const row of rows) {
      const name = `pack ${row.number} of ${row.backup_id} (${row.state})`;
      assert((UPLOAD_STATES as readonly string[]).includes(row.state), `${name} has no such state`);
      assert((row.state === 'sending') === (row.url !== null), `${name} has the URL ${row.url}`);
      const ended = row.backup_state === null || ['receipted', 'abandoned'].includes(row.backup_state);
      assert(!ended, `${name} is of a backup that is ${row.backup_state}`);
      if (row.state === 'known')
        this.#unless(['server-restored', 'stranger'], this.#server.knows(row.id), `${name} is not known`);
      else assert(row.backup_state !== 'committing', `${name} is of a backup that is committed`);
      const path = join(PATHS.staging, row.backup_id, `${String(row.number).padStart(6, '0')}.pack`);
      const file = this.#disk.find(path);
      const whole = file?.kind === 'file' && digestOf(file.bytes) === row.id;
      this.#unless(['state-lost', 'damage'], whole, `${name} is not in staging`);
    }
  }

  #checkReceipts(db: DeviceDb): void {
    const rows = statement<{ version: string; statement: string }>(
      db,
      'SELECT version, statement FROM receipts',
    ).all();
    const held = new Set(rows.map(({ version }) => version));
    for (const { version, statement } of rows) {
      const there = this.#server.version(version)?.summary.receipt.statement === statement;
      this.#unless(['server-restored'], there, `the server does not know its receipt for ${version}`);
    }
    const forgotten = statement<{ version: string }>(db, 'SELECT version FROM forgotten_receipts').all();
    for (const { version } of forgotten) held.add(version);
    this.#unless(['server-restored'], forgotten.length === 0, 'receipts were set aside that the server has');
    for (const id of this.#acknowledged)
      this.#unless(['state-lost'], held.has(id), `the receipt for ${id} is lost on the device`);
  }

  /** Whether the server holds each source as it is now, and the device knows and has nothing left to do. */
  settled(db: DeviceDb, sources: ReadonlyMap<string, Buffer>): boolean {
    const active = statement(db, "SELECT 1 FROM backups WHERE state NOT IN ('receipted', 'abandoned')").get();
    if (active !== undefined) return false;
    const rows = statement<SourceRow>(db, 'SELECT * FROM sources').all();
    return [...sources].every(([path, content]) => {
      const row = rows.find((candidate) => candidate.path === path);
      const version = row?.base_version ? this.#server.version(row.base_version) : undefined;
      return row?.mark != null && version?.complete === true && version.bytes.equals(content);
    });
  }

  /** At rest, after a start has swept: nothing is left of anything. */
  checkEmpty(db: DeviceDb): void {
    const bases = statement<string>(
      db,
      'SELECT fingerprint_file FROM sources WHERE fingerprint_file IS NOT NULL',
    )
      .pluck()
      .all();
    const staged = [...this.#disk.directoryAt(PATHS.staging).names.keys()];
    assert(staged.length === 0, `staging still holds ${staged}`);
    const fingerprints = [...this.#disk.directoryAt(PATHS.fingerprints).names.keys()].sort();
    const wanted = bases.map((file) => `${file}.fingerprint`).sort();
    assert(fingerprints.join() === wanted.join(), `fingerprints: ${fingerprints} instead of ${wanted}`);
    const snapshots = statement(db, 'SELECT 1 FROM snapshots').get();
    assert(snapshots === undefined, 'a snapshot is left in the journal');
  }

  #unless(excuses: readonly Excuse[], holds: boolean, broken: string): void {
    if (!excuses.some((excuse) => this.excuses.has(excuse))) assert(holds, broken);
  }
}

function assert(holds: boolean, broken: string): void {
  if (!holds) throw new Violation(broken);
}
