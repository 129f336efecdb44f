// Stands in for better-sqlite3 in the runs under Wine, which has no Windows binary of it: the part of its API that the device uses,
// over the SQLite built into Node 24. The device's own checks of version and synchronous=FULL run on it unchanged.
const { DatabaseSync } = require('node:sqlite');

/** Codes of SQLite's result codes as better-sqlite3 has them on its errors: those that the device tells apart. */
const CODES = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  19: 'SQLITE_CONSTRAINT',
  26: 'SQLITE_NOTADB',
};

/** Does `work`; its failures have the codes that better-sqlite3 gives them. */
function coded(work) {
  try {
    return work();
  } catch (error) {
    if (error.errcode) error.code = CODES[error.errcode & 0xff] ?? 'SQLITE_ERROR';
    throw error;
  }
}

class Statement {
  #statement;
  #pluck = false;

  constructor(statement) {
    this.#statement = statement;
  }

  pluck() {
    this.#pluck = true;
    return this;
  }

  /** A row as better-sqlite3 gives it: blobs are Buffers. */
  #row(row) {
    if (!row) return row;
    for (const [name, value] of Object.entries(row)) {
      if (value instanceof Uint8Array)
        row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    return this.#pluck ? Object.values(row)[0] : row;
  }

  get(...values) {
    return this.#row(coded(() => this.#statement.get(...values)));
  }

  all(...values) {
    return coded(() => this.#statement.all(...values)).map((row) => this.#row(row));
  }

  *iterate(...values) {
    for (const row of this.#statement.iterate(...values)) yield this.#row(row);
  }

  run(...values) {
    return coded(() => this.#statement.run(...values));
  }
}

module.exports = class Database {
  #db;

  constructor(path, { readonly = false, timeout = 5_000 } = {}) {
    this.#db = coded(() => new DatabaseSync(path, { readOnly: readonly, timeout }));
  }

  prepare(sql) {
    const statement = coded(() => this.#db.prepare(sql));
    // better-sqlite3 binds @name from {name}, and takes more than it needs.
    statement.setAllowBareNamedParameters(true);
    statement.setAllowUnknownNamedParameters(true);
    return new Statement(statement);
  }

  exec(sql) {
    coded(() => this.#db.exec(sql));
    return this;
  }

  pragma(text, { simple = false } = {}) {
    const rows = coded(() => this.#db.prepare(`PRAGMA ${text}`).all());
    return simple ? Object.values(rows[0] ?? {})[0] : rows;
  }

  transaction(work) {
    const begin =
      (how) =>
      (...values) => {
        const inside = this.#db.isTransaction;
        coded(() => this.#db.exec(inside ? 'SAVEPOINT inside' : `BEGIN ${how}`));
        try {
          const result = work(...values);
          coded(() => this.#db.exec(inside ? 'RELEASE inside' : 'COMMIT'));
          return result;
        } catch (error) {
          if (this.#db.isTransaction)
            this.#db.exec(inside ? 'ROLLBACK TO inside; RELEASE inside' : 'ROLLBACK');
          throw error;
        }
      };
    return Object.assign(begin('DEFERRED'), { immediate: begin('IMMEDIATE'), exclusive: begin('EXCLUSIVE') });
  }

  close() {
    this.#db.close();
    return this;
  }
};
