import { fileURLToPath } from "node:url";
import { databaseTest } from "../../lib/testing.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { openMigrator } from "../support/migrator.ts";
import { serverUrl } from "../testing/server.ts";

const FOLDER = fileURLToPath(new URL("../../migrations", import.meta.url));
const NAME = "1707000000000_create-metadata-tables";

/** Runs one direction of the migration, with the engine. */
export async function applyMigration(db: TestDatabase, direction: "up" | "down"): Promise<void> {
  const migrator = await openMigrator(db, FOLDER);
  if (direction === "up") await migrator.up({ to: NAME });
  else await migrator.down({ count: 1 });
}

export type Row = Record<string, unknown>;

/** The only row of a query. */
export async function row(db: TestDatabase, sql: string, values: unknown[] = []): Promise<Row> {
  const [first, ...more] = await db.query<Row>(sql, values);
  if (first === undefined || more.length > 0) throw new Error(`not one row: ${sql}`);
  return first;
}

/** The first column of every row. */
export async function list(db: TestDatabase, sql: string, values: unknown[] = []): Promise<unknown[]> {
  return (await db.query<Row>(sql, values)).map((each) => Object.values(each)[0]);
}

/** A test with a database in which the migrations of this project are applied. */
export function migrated(body: (db: TestDatabase) => Promise<void>): () => Promise<void> {
  return async () => {
    const withMigrations = databaseTest({ server: await serverUrl(), migrationsDir: FOLDER });
    const test = withMigrations(async ({ name }) => {
      const db = await openDatabase(name);
      await body(db).finally(() => db.close());
    });
    await test();
  };
}

export async function addField(db: TestDatabase, shortName: string): Promise<unknown> {
  const sql = `INSERT INTO field_definitions (short_name, display_name, datatype) VALUES ($1, 'a field', 'text') RETURNING id`;
  const { id } = await row(db, sql, [shortName]);
  return id;
}

export async function addObject(db: TestDatabase, shortName: string): Promise<unknown> {
  const sql = `INSERT INTO object_definitions (short_name, display_name) VALUES ($1, 'an object') RETURNING id`;
  const { id } = await row(db, sql, [shortName]);
  return id;
}

export function link(db: TestDatabase, objectId: unknown, fieldId: unknown): Promise<Row> {
  return row(db, "INSERT INTO object_fields (object_id, field_id) VALUES ($1, $2) RETURNING *", [
    objectId,
    fieldId,
  ]);
}

/** Everything the migration could leave in the schema, each thing as one line; not what the engine keeps. */
export function everythingInPublic(db: TestDatabase): Promise<unknown[]> {
  return list(
    db,
    `SELECT line FROM (
       SELECT format('relation %s %s', relkind, relname) AS line
         FROM pg_class WHERE relnamespace = 'public'::regnamespace
       UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
       UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
       -- the triggers behind a foreign key are numbered anew each time
       UNION ALL SELECT format('trigger %s on %s', regexp_replace(tgname, '_[0-9]+$', ''), tgrelid::regclass)
         FROM pg_trigger
       UNION ALL SELECT format('constraint %s on %s', conname, conrelid::regclass)
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace
       -- 16384 is the first object id that does not belong to Postgres itself
       UNION ALL SELECT 'comment ' || pg_describe_object(classoid, objoid, objsubid)
         FROM pg_description WHERE objoid >= 16384
     ) AS lines WHERE line NOT LIKE '%pgmigrations%' ORDER BY line COLLATE "C"`,
  );
}
