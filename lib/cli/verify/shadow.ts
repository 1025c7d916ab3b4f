import type pg from "pg";
import { errorCode, MigrationError } from "../../core/index.ts";
import { type ConnectionSettings, closeClient } from "../../migrator/index.ts";
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
import type { ScratchProvider } from "./scratch.ts";

/** A given database used as scratch database, where none may be created. It must be empty, and is emptied afterwards. */
export function shadowAt(connection: ConnectionSettings, { fenced = false } = {}): ScratchProvider {
  return {
    fenced,
    async create() {
      const empty = await withClient(connection, (client) => requireEmpty(client, connection));
      return {
        connection,
        // It is emptied by the next run in any case.
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

/** Its settings come from one variable, whatever the hints of other commands say. */
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
  const found = catalog.objects.filter((object) => !mayBeThere(object));
  if (found.length === 0) return catalog;
  // A table says more than its constraints and indexes, which go with it.
  const [first, last] = [false, true].map((goesAlong) =>
    found.filter(({ kind }) => NOT_DROPPED.test(kind) === goesAlong),
  );
  const named = [...(first ?? []), ...(last ?? [])].slice(0, 3).map(({ kind, name }) => `${kind} ${name}`);
  throw new MigrationError(
    "SCRATCH_DATABASE",
    `the shadow database ${connection.database} on ${connection.host}:${connection.port} is not empty: it has ${named.join(", ")}${found.length > 3 ? " and more" : ""}`,
    {
      hint: "SHADOW_DATABASE_URL must name a database for this purpose alone: everything in it is deleted afterwards. Empty it (DROP DATABASE, then CREATE DATABASE), or name another one.",
    },
  );
}

/** What an administrator sets up before handing a database over. */
function mayBeThere({ kind, name }: { readonly kind: string; readonly name: string }): boolean {
  return (
    (kind === "schema" && name === "public") ||
    ["extension", "database settings", "default privileges"].includes(kind)
  );
}

/** Goes with something else, or cannot be dropped. */
const NOT_DROPPED =
  /constraint|foreign key|index|trigger|rule|policy|statistics|user mapping|privileges|settings/;
const FIRST = ["event trigger", "publication", "extension"];
/** It went with something dropped before. */
const GONE = ["42P01", "42704", "42883", "3F000", "2BP01", "42809"];

/** It was empty when we came: all it holds is ours. */
async function makeEmpty(client: pg.Client, empty: Catalog, { database }: ConnectionSettings): Promise<void> {
  const kept = new Set(empty.objects.map(({ kind, name }) => `${kind} ${name}`));
  const entries = (await readAll(client)).filter(({ kind, name }) => !kept.has(`${kind} ${name}`));
  const droppable = entries.filter(({ kind }) => FIRST.includes(kind) || !NOT_DROPPED.test(kind));
  const order = (entry: Entry): number => (FIRST.includes(entry.kind) ? 0 : 1);
  for (const { subject } of droppable.sort((a, b) => order(a) - order(b))) {
    await client.query(`DROP ${subject} CASCADE`).catch((error: unknown) => {
      if (!GONE.includes(errorCode(error) ?? "")) throw error;
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
