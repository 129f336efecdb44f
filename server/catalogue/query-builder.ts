// The part of Kysely that Mailferry uses. A build puts just that into this module (package.json): loading its 262 modules one by one
// takes half of the start of a server, and of a `server token create`.
export type { DatabaseConnection } from 'kysely';
export { CompiledQuery, Kysely, SqliteDialect, SqliteDriver, sql } from 'kysely';
