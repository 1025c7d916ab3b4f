import pg from "pg";
import type { MigratorOptions } from "../../core/index.ts";
import type { OwnTables } from "./types.ts";

/** What the other queries must know beforehand. */
export interface Server {
  readonly major: number;
  readonly currentUser: string;
  /** Oid of the catalogue of column defaults. */
  readonly defaultsCatalog: number;
  /** Oids of the engine's tables and their sequences. */
  readonly own: readonly number[];
}

const QUERY = `
  WITH own AS (SELECT to_regclass(name)::oid AS oid FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL)
  SELECT current_setting('server_version_num') AS version, current_user::text AS "currentUser",
    'pg_attrdef'::regclass::oid AS "defaultsCatalog",
    ARRAY(SELECT oid FROM own UNION SELECT d.objid FROM pg_depend AS d JOIN own ON own.oid = d.refobjid
          WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS own`;

/** The version is text: a database may have a cast of its own from text to integer. */
type Answer = Omit<Server, "major"> & { readonly version: string };

export async function readServer(client: pg.Client, exclude: OwnTables | undefined): Promise<Server> {
  const values = [exclude === undefined ? [] : namesOf(exclude)];
  const { rows } = await client.query<Answer>({ name: "catalog-server", text: QUERY, values });
  const [server] = rows;
  if (server === undefined) throw new Error("the server did not say what it is");
  const { version, ...rest } = server;
  return { ...rest, major: Math.floor(Number(version) / 10_000) };
}

/** Where the engine keeps its tables under these options: as it does itself, in the first schema unless told otherwise. */
export function ownTablesOf({ schema, migrationsSchema, migrationsTable }: MigratorOptions): OwnTables {
  return { migrationsSchema: migrationsSchema ?? schema?.[0], migrationsTable };
}

function namesOf({ migrationsSchema = "public", migrationsTable = "pgmigrations" }: OwnTables): string[] {
  return [migrationsTable, `${migrationsTable}_history`].map(
    (table) => `${pg.escapeIdentifier(migrationsSchema)}.${pg.escapeIdentifier(table)}`,
  );
}
