import { randomBytes } from "node:crypto";
import pg from "pg";
import { errorCode, MigrationError } from "../../core/index.ts";
import { type ConnectionSettings, closeClient } from "../../postgres/index.ts";
import {
  type Catalog,
  connectTo,
  diffCatalogs,
  type Entry,
  inSnapshot,
  readEntries,
  toCatalog,
  withTypedErrors,
} from "../catalog/index.ts";

/** An empty database to try migrations on. */
export interface ScratchDatabase {
  readonly connection: ConnectionSettings;
  /** Removes everything. */
  drop(): Promise<void>;
  /** Marks it so that no later run drops it as abandoned. */
  keep(): Promise<void>;
}

/** Creates scratch databases, one at a time. */
export interface ScratchProvider {
  /** Whether others use the server too. Migrations must then change nothing outside their scratch database. */
  readonly fenced: boolean;
  create(): Promise<ScratchDatabase>;
}

/** Prefix of the names of scratch databases. */
export const SCRATCH_PREFIX = "cdk_pg_migrate_scratch_";

/** Scratch databases on the server of a connection. The database of the connection is not used. */
export function scratchOn(server: ConnectionSettings, { fenced = true } = {}): ScratchProvider {
  return {
    fenced,
    async create() {
      const database = `${SCRATCH_PREFIX}${randomBytes(6).toString("hex")}`;
      const name = pg.escapeIdentifier(database);
      await asAdmin(server, async (client) => {
        await dropAbandoned(client);
        const { rows } = await client.query<{ now: string }>(
          "SELECT extract(epoch FROM now())::bigint::text AS now",
        );
        // `template1` may contain objects, and cannot be copied while a session is connected to it.
        await client.query(`CREATE DATABASE ${name} TEMPLATE template0`);
        await client.query(`COMMENT ON DATABASE ${name} IS ${literal(`${CREATED_AT}${rows[0]?.now}`)}`);
      });
      return {
        connection: { ...server, database },
        keep: () =>
          asAdmin(server, (client) =>
            client.query(`COMMENT ON DATABASE ${name} IS 'kept by verify --keep of cdk-pg-migrate'`),
          ),
        drop: () => asAdmin(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      };
    },
  };
}

/** Beginning of the comment on a scratch database; the time of the server in seconds follows. */
const CREATED_AT = "scratch database of cdk-pg-migrate verify, made at ";

/**
 * Scratch databases of killed runs. A run connects to its database right after it creates it, so an older one without a
 * session is abandoned.
 */
const ABANDONED = `
  SELECT d.datname::text AS name FROM pg_database AS d JOIN pg_shdescription AS c ON c.objoid = d.oid
  WHERE c.classoid = 'pg_database'::regclass AND d.datname ~ '^${SCRATCH_PREFIX}[0-9a-f]{12}$'
    AND pg_has_role(d.datdba, 'USAGE')
    AND CASE WHEN c.description ~ '^${CREATED_AT}[0-9]{1,12}$'
      THEN substr(c.description, ${CREATED_AT.length + 1})::bigint < extract(epoch FROM now()) - 600 END
    AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)`;

async function dropAbandoned(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(ABANDONED);
  for (const { name } of rows) {
    // FORCE is left out, so that a new session keeps it. The next run tries again.
    await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)}`).catch(() => undefined);
  }
}

function literal(text: string): string {
  return pg.escapeLiteral(text).trimStart();
}

async function asAdmin(
  server: ConnectionSettings,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = await connectAnywhere(server);
  try {
    await withTypedErrors("a scratch database", () => work(client));
  } catch (error) {
    throw isDenied(error) ? createDenied(server, error) : error;
  } finally {
    await closeClient(client);
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof MigrationError && error.details.sqlstate === "42501";
}

/** Falls back to the database postgres, because the configured database may not exist yet. */
async function connectAnywhere(server: ConnectionSettings): Promise<pg.Client> {
  try {
    return await connectTo(server);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "DATABASE_NOT_FOUND") throw error;
    return connectTo({ ...server, database: "postgres" });
  }
}

function createDenied({ user, host, port }: ConnectionSettings, cause: unknown): MigrationError {
  const message = `${user} may not create a scratch database on ${host}:${port}`;
  return new MigrationError("SCRATCH_DATABASE", message, {
    hint: `Let a superuser run ALTER ROLE ${pg.escapeIdentifier(user)} CREATEDB, set SHADOW_DATABASE_URL to an empty database, or pass --local for the embedded Postgres.`,
    cause,
  });
}

/** Uses an existing database where no database can be created. It must be empty and is emptied afterwards. */
export function shadowAt(connection: ConnectionSettings, { fenced = false } = {}): ScratchProvider {
  return {
    fenced,
    async create() {
      const empty = await withClient(connection, (client) => requireEmpty(client, connection));
      return {
        connection,
        // The next run requires it to be empty.
        keep: async () => undefined,
        drop: () => withClient(connection, (client) => makeEmpty(client, empty, connection)),
      };
    },
  };
}

async function withClient<T>(
  connection: ConnectionSettings,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connectToShadow(connection);
  try {
    return await withTypedErrors("the shadow database", () => work(client));
  } finally {
    await closeClient(client);
  }
}

/** Replaces the hint, because the settings of the shadow database come from one variable. */
async function connectToShadow(connection: ConnectionSettings): Promise<pg.Client> {
  try {
    return await connectTo(connection);
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const { hint: _, ...details } = error.details;
    const { user, host, port, database } = connection;
    const create = error.code === "DATABASE_NOT_FOUND" ? " Create that database, or correct" : " Correct";
    throw new MigrationError(error.code, `the shadow database: ${error.message}`, {
      ...details,
      hint: `SHADOW_DATABASE_URL names ${database} on ${host}:${port} as ${user}.${create} SHADOW_DATABASE_URL, or leave it out: verify then makes a database for itself.`,
    });
  }
}

async function requireEmpty(client: pg.Client, connection: ConnectionSettings): Promise<Catalog> {
  const catalog = toCatalog(await readAll(client));
  const objects = catalog.objects.filter((object) => !isSetUpByAdmin(object));
  if (objects.length === 0) return catalog;
  // Name tables before their constraints and indexes.
  const dependent = objects.filter(({ kind }) => NOT_DROPPED.test(kind));
  const independent = objects.filter(({ kind }) => !NOT_DROPPED.test(kind));
  const named = [...independent, ...dependent].slice(0, 3).map(({ kind, name }) => `${kind} ${name}`);
  throw new MigrationError(
    "SCRATCH_DATABASE",
    `the shadow database ${connection.database} on ${connection.host}:${connection.port} is not empty: it has ${named.join(", ")}${objects.length > 3 ? " and more" : ""}`,
    {
      hint: "SHADOW_DATABASE_URL must name a database for this purpose alone: everything in it is deleted afterwards. Empty it (DROP DATABASE, then CREATE DATABASE), or name another one.",
    },
  );
}

/** Objects that an administrator may set up beforehand. */
function isSetUpByAdmin({ kind, name }: { readonly kind: string; readonly name: string }): boolean {
  return (
    (kind === "schema" && name === "public") ||
    ["extension", "database settings", "default privileges"].includes(kind)
  );
}

/** Dropped with another object, or cannot be dropped. */
const NOT_DROPPED =
  /constraint|foreign key|index|trigger|rule|policy|statistics|user mapping|privileges|settings/;
const FIRST = ["event trigger", "publication", "extension"];
/** SQLSTATEs of objects that were dropped with another one. */
const ALREADY_DROPPED = ["42P01", "42704", "42883", "3F000", "2BP01", "42809"];

/** The database was empty before, so everything in it can be dropped. */
async function makeEmpty(client: pg.Client, empty: Catalog, { database }: ConnectionSettings): Promise<void> {
  const kept = new Set(empty.objects.map(({ kind, name }) => `${kind} ${name}`));
  const entries = (await readAll(client)).filter(({ kind, name }) => !kept.has(`${kind} ${name}`));
  const droppable = entries.filter(({ kind }) => FIRST.includes(kind) || !NOT_DROPPED.test(kind));
  const order = (entry: Entry): number => (FIRST.includes(entry.kind) ? 0 : 1);
  for (const { subject } of droppable.sort((a, b) => order(a) - order(b))) {
    await client.query(`DROP ${subject} CASCADE`).catch((error: unknown) => {
      if (!ALREADY_DROPPED.includes(errorCode(error) ?? "")) throw error;
    });
  }
  const rest = diffCatalogs(empty, toCatalog(await readAll(client)));
  if (rest === "") return;
  throw new MigrationError(
    "SCRATCH_DATABASE",
    `the shadow database ${database} could not be emptied:\n${rest}`,
    {
      hint: "Drop and create it anew before the next use.",
    },
  );
}

function readAll(client: pg.Client): Promise<Entry[]> {
  return inSnapshot(client, () => readEntries(client, {}));
}
