// How the catalogue came to its present shape, step by step. A step that has been released is never changed again.

/** Step n brings a catalogue from user_version n to n + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE tokens (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    credential BLOB NOT NULL UNIQUE CHECK (length(credential) = 32),
    created_at TEXT NOT NULL
  ) STRICT;

  CREATE TABLE uploads (
    device TEXT NOT NULL REFERENCES devices (id),
    id TEXT NOT NULL CHECK (length(id) = 32),
    kind TEXT NOT NULL CHECK (kind IN ('pack', 'file')),
    length INTEGER NOT NULL CHECK (length >= 0),
    metadata TEXT NOT NULL,
    created_at TEXT NOT NULL,
    pack TEXT CHECK (length(pack) = 64),
    finished INTEGER NOT NULL DEFAULT 0 CHECK (finished IN (0, 1)),
    PRIMARY KEY (device, id)
  ) STRICT;

  CREATE TABLE packs (
    row INTEGER PRIMARY KEY,
    device TEXT NOT NULL REFERENCES devices (id),
    id TEXT NOT NULL CHECK (length(id) = 64),
    kind TEXT NOT NULL CHECK (kind IN ('pack', 'raw')),
    stored INTEGER NOT NULL CHECK (stored >= 0),
    raw INTEGER NOT NULL CHECK (raw >= 0),
    UNIQUE (device, id, kind)
  ) STRICT;

  CREATE TABLE map_pages (
    row INTEGER PRIMARY KEY,
    device TEXT NOT NULL REFERENCES devices (id),
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE versions (
    device TEXT NOT NULL REFERENCES devices (id),
    id TEXT NOT NULL CHECK (length(id) = 36),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    base TEXT,
    size INTEGER NOT NULL CHECK (size >= 0),
    mtime TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    received_at TEXT NOT NULL,
    sha256 TEXT CHECK (length(sha256) = 64),
    root TEXT NOT NULL CHECK (length(root) = 64),
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    snapshot TEXT NOT NULL,
    health TEXT NOT NULL,
    health_notes TEXT NOT NULL,
    body_hash BLOB NOT NULL CHECK (length(body_hash) = 32),
    pages BLOB NOT NULL,
    PRIMARY KEY (device, id),
    UNIQUE (device, sequence),
    CHECK (complete = 0 OR sha256 IS NOT NULL)
  ) STRICT;
  CREATE INDEX versions_by_path ON versions (device, path, sequence);

  CREATE TABLE receipts (
    device TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version TEXT NOT NULL,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (device, sequence),
    UNIQUE (device, version),
    FOREIGN KEY (device, version) REFERENCES versions (device, id)
  ) STRICT;
  `,
  `
  -- A pack whose bytes the server lost; its row stays, since maps name it, until the same bytes come again.
  ALTER TABLE packs ADD COLUMN lost INTEGER NOT NULL DEFAULT 0 CHECK (lost IN (0, 1));
  -- Coarse blocks of a version that lie in lost packs.
  ALTER TABLE versions ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0 CHECK (damaged >= 0);
  ALTER TABLE devices ADD COLUMN revoked_at TEXT;
  CREATE INDEX packs_lost ON packs (device) WHERE lost = 1;
  CREATE INDEX versions_damaged ON versions (device, sequence) WHERE damaged > 0;
  CREATE INDEX uploads_unfinished ON uploads (device) WHERE finished = 0;
  `,
  `
  -- Whether Outlook ran when the snapshot of a version was made; null: not known.
  ALTER TABLE versions ADD COLUMN outlook_running INTEGER CHECK (outlook_running IN (0, 1));
  `,
  `
  -- A token that is good for a new credential of this device, and for nothing else.
  ALTER TABLE tokens ADD COLUMN device TEXT REFERENCES devices (id);
  `,
  `
  -- What a page of a list is found by: each page is a walk along one of these, however long the history is.
  CREATE INDEX versions_complete_by_path ON versions (device, path, complete, sequence, received_at, kind);
  CREATE INDEX versions_by_kind ON versions (device, kind, complete, sequence, received_at);
  CREATE INDEX versions_by_time ON versions (device, sequence, received_at, complete);
  `,
  `
  -- The public key that receipts are signed for: another key file is noticed before anything is signed with it. One row at most.
  CREATE TABLE receipt_key (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    public_key TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- How often packs of a device were lost or came back since its versions were last counted. A crash can't come between the two:
  -- the trigger counts in the transaction that changes the pack.
  ALTER TABLE devices ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0 CHECK (uncounted >= 0);
  UPDATE devices SET uncounted = 1
    WHERE id IN (SELECT device FROM packs WHERE lost = 1) OR id IN (SELECT device FROM versions WHERE damaged > 0);
  CREATE TRIGGER packs_lost_changed AFTER UPDATE OF lost ON packs WHEN old.lost <> new.lost BEGIN
    UPDATE devices SET uncounted = uncounted + 1 WHERE id = new.device;
  END;
  `,
  `
  -- Mode, user and group of the file: JSON of FileRights in shared/protocol.ts; null: not known.
  ALTER TABLE versions ADD COLUMN rights TEXT;
  `,
  `
  -- Change lists that came as uploads, until a commit has used them. SQLite changes no CHECK: the table of uploads is made anew.
  CREATE TABLE change_lists (
    device TEXT NOT NULL REFERENCES devices (id),
    id TEXT NOT NULL CHECK (length(id) = 64),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    received_at TEXT NOT NULL,
    PRIMARY KEY (device, id)
  ) STRICT;
  CREATE TABLE uploads_of_any_kind (
    device TEXT NOT NULL REFERENCES devices (id),
    id TEXT NOT NULL CHECK (length(id) = 32),
    kind TEXT NOT NULL CHECK (kind IN ('pack', 'file', 'change-list')),
    length INTEGER NOT NULL CHECK (length >= 0),
    metadata TEXT NOT NULL,
    created_at TEXT NOT NULL,
    pack TEXT CHECK (length(pack) = 64),
    finished INTEGER NOT NULL DEFAULT 0 CHECK (finished IN (0, 1)),
    PRIMARY KEY (device, id)
  ) STRICT;
  INSERT INTO uploads_of_any_kind (device, id, kind, length, metadata, created_at, pack, finished)
    SELECT device, id, kind, length, metadata, created_at, pack, finished FROM uploads;
  DROP TABLE uploads;
  ALTER TABLE uploads_of_any_kind RENAME TO uploads;
  CREATE INDEX uploads_unfinished ON uploads (device) WHERE finished = 0;
  `,
];
