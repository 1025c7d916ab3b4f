import { randomBytes } from "node:crypto";
import pg from "pg";
import { type ConnectionSettings, closeClient, MigrationError } from "../../migrator/index.ts";
import { connectTo, typed } from "../catalog/index.ts";

/** An empty database to try migrations on. */
export interface ScratchDatabase {
  readonly connection: ConnectionSettings;
  /** Leaves nothing behind. */
  drop(): Promise<void>;
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
      // Not `template1`: what somebody put there would be in the way, and nobody may be connected to it.
      await asAdmin(server, `CREATE DATABASE ${pg.escapeIdentifier(database)} TEMPLATE template0`);
      return {
        connection: { ...server, database },
        drop: () => asAdmin(server, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`),
      };
    },
  };
}

async function asAdmin(server: ConnectionSettings, statement: string): Promise<void> {
  const client = await connectAnywhere(server);
  try {
    await typed("a scratch database", () => client.query(statement));
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
  return new MigrationError("USAGE", message, {
    hint: `Let a superuser run ALTER ROLE ${pg.escapeIdentifier(user)} CREATEDB, set SHADOW_DATABASE_URL to an empty database, or pass --local for the embedded Postgres.`,
    cause,
  });
}
