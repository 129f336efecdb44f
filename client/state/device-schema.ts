// The schema of the device's database as numbered migrations: each runs once, whole, in order; none is ever changed.

export const MIGRATIONS: readonly string[] = [
  `
  -- A protected item, what the server holds of it (base) and how it looked when it was last read whole (mark).
  CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    base_version TEXT,
    base_size INTEGER,
    base_root TEXT,
    base_complete INTEGER,      -- 0: a checkpoint
    fingerprint TEXT,           -- SHA-256 of the fingerprint file
    fingerprint_file TEXT,      -- its name without the ending
    mark TEXT,                  -- change-test.ts
    last_receipt_at TEXT,
    last_failure TEXT,          -- code of the last failure, null after a success
    last_failure_message TEXT
  ) STRICT;

  -- One backup of one source on its way to a receipt. Its id is the id of the version it becomes.
  CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES sources(id),
    state TEXT NOT NULL,        -- backup-states.ts
    complete INTEGER NOT NULL DEFAULT 1,
    base_version TEXT,
    size INTEGER NOT NULL,
    mtime TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    health TEXT NOT NULL,
    health_notes TEXT NOT NULL,
    mark TEXT,
    sha256 TEXT,
    root TEXT,
    fingerprint TEXT,
    fingerprint_file TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    failure TEXT
  ) STRICT;
  CREATE INDEX backups_by_source ON backups(source_id);

  -- Sealed packs in staging: the queue. Kept until the receipt of their backup.
  CREATE TABLE packs (
    backup_id TEXT NOT NULL REFERENCES backups(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,        -- upload-states.ts
    bytes INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    through INTEGER NOT NULL,   -- coarse blocks of the source that are told by the packs up to this one
    runs BLOB NOT NULL,         -- run-list.ts
    url TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    PRIMARY KEY (backup_id, number)
  ) STRICT;

  -- Every receipt, so that the chain can be checked.
  CREATE TABLE receipts (
    sequence INTEGER PRIMARY KEY,
    version TEXT NOT NULL UNIQUE,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL
  ) STRICT;

  -- Snapshots that exist or may exist: written before one is made, removed after it is gone.
  CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    volume TEXT NOT NULL,
    handle TEXT,
    made_at TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- 1: the server may hold versions of it that this database does not know of, and has to be asked before it is read.
  ALTER TABLE sources ADD COLUMN ask_server INTEGER NOT NULL DEFAULT 1;

  -- Single facts about this database. vault_known: it was made when the device was enrolled, or learnt from the server what that
  -- holds. Where it is missing, the database was lost since, and there may be versions that it does not know of.
  CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- The set whose files are of use only together; null: the source stands alone. source-sets.ts
  ALTER TABLE sources ADD COLUMN set_name TEXT;
  CREATE INDEX sources_by_set ON sources(set_name) WHERE set_name IS NOT NULL;
  `,
  `
  -- 1 or 0: whether Outlook ran when the snapshot of a backup was made; null: not known.
  ALTER TABLE backups ADD COLUMN outlook_running INTEGER;

  -- What the newest receipted version of a source was read from.
  ALTER TABLE sources ADD COLUMN last_snapshot TEXT;
  `,
  `
  -- Receipts that a server restored from an old copy has forgotten. Nothing reads them: they prove what was promised.
  CREATE TABLE forgotten_receipts (
    sequence INTEGER NOT NULL,
    version TEXT NOT NULL,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL
  ) STRICT;

  -- What is on its way is looked for again and again, among ever more that has ended.
  CREATE INDEX backups_on_their_way ON backups(source_id) WHERE state NOT IN ('receipted', 'abandoned');
  `,
  `
  -- A check over all that a commit states of a row: row-check.ts. Null: the row was written before there were checks.
  ALTER TABLE backups ADD COLUMN row_check TEXT;
  ALTER TABLE packs ADD COLUMN row_check TEXT;
  `,
  `
  -- When the source was last found to be as its receipt says, and since when it is not there. ISO 8601 by this machine's clock.
  ALTER TABLE sources ADD COLUMN checked_at TEXT;
  ALTER TABLE sources ADD COLUMN gone_since TEXT;
  -- 1: that it is gone for good was told.
  ALTER TABLE sources ADD COLUMN gone_told INTEGER NOT NULL DEFAULT 0;
  -- When a person said that it is no source any more; null: it is one.
  ALTER TABLE sources ADD COLUMN forgotten_at TEXT;
  -- Why the newest receipted version is suspect; null: it is not. suspicion.ts
  ALTER TABLE sources ADD COLUMN suspect TEXT;
  -- The newest receipted version that was not suspect: JSON {version, at, size, shape}. suspicion.ts
  ALTER TABLE sources ADD COLUMN last_good TEXT;
  -- What the source was when it was read: suspicion.ts. Null: not known.
  ALTER TABLE backups ADD COLUMN shape TEXT;
  -- Bytes of a pack that crossed the line for its backup: none where the server held it before.
  ALTER TABLE packs ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Mode, user and group of the file: JSON of FileRights in shared/protocol.ts; null: not known.
  ALTER TABLE backups ADD COLUMN rights TEXT;
  `,
  `
  -- The change list that a commit refers to, where it is too long to go inside it: its SHA-256, its length, and the URL of its upload.
  ALTER TABLE backups ADD COLUMN list_id TEXT;
  ALTER TABLE backups ADD COLUMN list_bytes INTEGER;
  ALTER TABLE backups ADD COLUMN list_url TEXT;
  `,
];
