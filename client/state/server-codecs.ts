// Which codecs the server of this device reads, as it said last: kept, since packs are written while the line is down too.
import { type Codec, codecsIn } from '../../shared/pack.ts';
import type { DeviceDb } from './device-db.ts';

export class ServerCodecs {
  readonly #db: DeviceDb;
  readonly #fact: string;

  /** What the server at this address reads. */
  constructor(db: DeviceDb, server: string) {
    this.#db = db;
    this.#fact = `codecs of ${server}`;
  }

  /** What the server said last that it reads; what every server reads where it never said anything. */
  get readable(): ReadonlySet<Codec> {
    return codecsIn(this.#said());
  }

  /** Keeps what the server has just said. Where the database can't take it, what was said before goes on to count. */
  heard(readable: ReadonlySet<Codec>): void {
    const said = [...readable].join(',');
    if (said === [...this.readable].join(',')) return;
    try {
      this.#db
        .prepare(
          'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        )
        .run(this.#fact, said);
    } catch {
      // A full disk: it is said again with the next answer.
    }
  }

  #said(): string | undefined {
    return this.#db
      .prepare<[string], string>('SELECT value FROM facts WHERE name = ?')
      .pluck()
      .get(this.#fact);
  }
}
