// One device's part of the catalogue. It is made for a device, so no query behind it can be about another one.
import type { Kysely } from 'kysely';
import { ChangeListRows } from './change-list-rows.ts';
import { PackRows } from './pack-rows.ts';
import { PageRows } from './page-rows.ts';
import type { Schema } from './schema.ts';
import { UploadRows } from './upload-rows.ts';
import { VersionPages } from './version-pages.ts';
import { VersionRows } from './version-rows.ts';

export class DeviceCatalogue {
  readonly device: string;
  readonly uploads: UploadRows;
  readonly changeLists: ChangeListRows;
  readonly packs: PackRows;
  readonly pages: PageRows;
  readonly versions: VersionRows;
  readonly lists: VersionPages;
  readonly #db: Kysely<Schema>;

  constructor(db: Kysely<Schema>, device: string) {
    this.#db = db;
    this.device = device;
    this.uploads = new UploadRows(db, device);
    this.changeLists = new ChangeListRows(db, device);
    this.packs = new PackRows(db, device);
    this.pages = new PageRows(db, device);
    this.versions = new VersionRows(db, device);
    this.lists = new VersionPages(db, device);
  }

  /** How often packs were lost or came back since the versions were last counted; 0: what they are said to lack is true. */
  async uncounted(): Promise<number> {
    const row = await this.#db
      .selectFrom('devices')
      .select('uncounted')
      .where('id', '=', this.device)
      .executeTakeFirst();
    return row?.uncounted ?? 0;
  }

  /** The versions were counted, as it was when `uncounted` was asked for; what was lost since stays to be counted. */
  async counted(uncounted: number): Promise<void> {
    await this.#db
      .updateTable('devices')
      .set({ uncounted: 0 })
      .where('id', '=', this.device)
      .where('uncounted', '=', uncounted)
      .execute();
  }

  /** All of `work`, durably, or nothing of it. `work` must only touch the rows it is given. */
  transaction<Result>(work: (rows: DeviceCatalogue) => Promise<Result>): Promise<Result> {
    return this.#db.transaction().execute((db) => work(new DeviceCatalogue(db, this.device)));
  }
}
