import { randomBytes } from "node:crypto";
import pg from "pg";
import { MigrationError } from "../../core/index.ts";
import { type ConnectionSettings, closeClient } from "../../migrator/index.ts";
import { connectTo, withTypedErrors } from "../catalog/index.ts";

/** An empty database to try migrations on. */
export interface ScratchDatabase {
  readonly connection: ConnectionSettings;
  /** Leaves nothing behind. */
  drop(): Promise<void>;
  /** Says that somebody wants to look at it, so that no later run takes it for abandoned. */
  keep(): Promise<void>;
}

/** Makes scratch databases, one after the other. */
export interface ScratchProvider {
  /** Whether others use the server too: then migrations must not change anything of it but their scratch database. */
  readonly fenced: boolean;
  create(): Promise<ScratchDatabase>;
}

/** Begins the name of every scratch database. */
export const SCRATCH_PREFIX = "cdk_pg_migrate_scratch_";

/** Scratch databases on the server of a connection; the database it names is not touched. */
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
        // Not `template1`: what somebody put there would be in the way, and nobody may be connected to it.
        await client.query(`CREATE DATABASE ${name} TEMPLATE template0`);
        await client.query(`COMMENT ON DATABASE ${name} IS ${literal(`${MADE}${rows[0]?.now}`)}`);
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

/** Begins the comment on a scratch database that a run of verify uses; the server's time in seconds follows. */
const MADE = "scratch database of cdk-pg-migrate verify, made at ";

/**
 * Scratch databases of runs that were killed. A run is connected to its own from the moment after it was made, so
 * that one which is older and has no session belongs to nobody.
 */
const ABANDONED = `
  SELECT d.datname::text AS name FROM pg_database AS d JOIN pg_shdescription AS c ON c.objoid = d.oid
  WHERE c.classoid = 'pg_database'::regclass AND d.datname ~ '^${SCRATCH_PREFIX}[0-9a-f]{12}$'
    AND pg_has_role(d.datdba, 'USAGE')
    AND CASE WHEN c.description ~ '^${MADE}[0-9]{1,12}$'
      THEN substr(c.description, ${MADE.length + 1})::bigint < extract(epoch FROM now()) - 600 END
    AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)`;

async function dropAbandoned(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(ABANDONED);
  for (const { name } of rows) {
    // Without FORCE: somebody who has just connected keeps it. What cannot be dropped is for the next run.
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
    throw isRefusal(error) ? mayNotCreate(server, error) : error;
  } finally {
    await closeClient(client);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof MigrationError && error.details.sqlstate === "42501";
}

/** The configured database need not exist yet. */
async function connectAnywhere(server: ConnectionSettings): Promise<pg.Client> {
  try {
    return await connectTo(server);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "DATABASE_NOT_FOUND") throw error;
    return connectTo({ ...server, database: "postgres" });
  }
}

function mayNotCreate({ user, host, port }: ConnectionSettings, cause: unknown): MigrationError {
  const message = `${user} may not create a scratch database on ${host}:${port}`;
  return new MigrationError("SCRATCH_DATABASE", message, {
    hint: `Let a superuser run ALTER ROLE ${pg.escapeIdentifier(user)} CREATEDB, set SHADOW_DATABASE_URL to an empty database, or pass --local for the embedded Postgres.`,
    cause,
  });
}
