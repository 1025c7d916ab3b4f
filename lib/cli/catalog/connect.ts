import pg from "pg";
import { type ConnectionSettings, Migrator } from "../../migrator/index.ts";
import { TOOL } from "../../migrator/version.ts";

const CONNECT_MS = 10_000;

/** A session for reading the catalogue. Every field is set, so that no `PG*` variable leads elsewhere. */
export async function connectTo(connection: ConnectionSettings): Promise<pg.Client> {
  const { host, port, database, user, tls } = connection;
  const client = new pg.Client({
    ...{ host, port, database, user },
    // A function, because pg takes an empty string for "look elsewhere".
    password: () => connection.password,
    ssl: tls.mode === "disable" ? false : { rejectUnauthorized: true, ...caOf(tls.ca) },
    options: " ",
    client_encoding: "UTF8",
    application_name: TOOL,
    connectionTimeoutMillis: CONNECT_MS,
  });
  // Without a listener, losing an idle connection would end the process; the next query reports the loss.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    await explain(connection);
    throw error;
  }
}

function caOf(ca: readonly string[] | undefined): { ca?: string[] } {
  return ca === undefined ? {} : { ca: [...ca] };
}

/** The engine knows what a failed connection means and what to do about it: it is made to fail in the same way. */
async function explain(connection: ConnectionSettings): Promise<void> {
  const nothing = new Map<string, never>();
  const source = {
    entries: [],
    digests: async () => nothing,
    shorthandNames: async () => [],
    load: async () => nothing,
    reload: (name: string) => Promise.reject(new Error(`there is no ${name}`)),
  };
  await new Migrator({
    connection,
    source,
    provenance: { actor: "", origin: "cli", tool: TOOL },
    options: { startingWaitMs: 0 },
  }).status();
}
