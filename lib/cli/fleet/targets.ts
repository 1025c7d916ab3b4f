import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorMessage, given, MigrationError, property, TOOL } from "../../core/index.ts";
import {
  type FleetTarget,
  parseTargetRows,
  parseTargetsFile,
  type TargetsOrigin,
} from "../../fleet/index.ts";
import { type ConnectionSettings, closeClient, openClient } from "../../postgres/index.ts";
import type { ProcessIo } from "../process-io.ts";
import type { Target } from "../settings/target.ts";

/** A list of targets, and what the output calls it. */
export interface ListedTargets {
  readonly targets: readonly FleetTarget[];
  readonly source: string;
}

const QUERY = /^\s*(?:select|with|table|values)\b/i;

/**
 * Reads the value of `--targets`: a query for the database of the settings, a `.sql` file with one, or a JSON file.
 * @throws MigrationError `TARGETS`, and connection codes for a query
 */
export async function listTargets(io: ProcessIo, value: string, base: Target): Promise<ListedTargets> {
  if (QUERY.test(value)) return queryTargets(io, value, { source: "the query", base });
  const text = await readFile(resolve(io.cwd, value), "utf8").catch((cause: unknown) => {
    throw new MigrationError("TARGETS", `the file ${value} cannot be read: ${errorMessage(cause)}`, {
      hint: "--targets takes a JSON file with targets, a .sql file with a query, or a query that begins with SELECT, WITH, TABLE or VALUES.",
      cause,
    });
  });
  if (/\.sql$/i.test(value)) return queryTargets(io, text, { source: value, base });
  return { targets: parseTargetsFile(text, originOf(value, base)), source: value };
}

function originOf(source: string, { connection: { host, port, database } }: Target): TargetsOrigin {
  return { source, database: { host, port, database } };
}

async function queryTargets(
  io: ProcessIo,
  query: string,
  { source, base }: { readonly source: string; readonly base: Target },
): Promise<ListedTargets> {
  const rows = await readRows(base.connection, query, { source, signal: io.signal });
  const targets = parseTargetRows(rows, originOf(source, base));
  const foreign = targets.find(({ host }) => host !== base.connection.host);
  if (foreign === undefined) return { targets, source };
  throw new MigrationError(
    "TARGETS",
    `${source}: the target ${foreign.name} is on another host, ${foreign.host}`,
    {
      hint: "Every target gets the password of the settings, and a row must not decide where that is sent: list other hosts in a file.",
    },
  );
}

interface QuerySetup {
  readonly source: string;
  readonly signal: AbortSignal;
}

/** Runs one query that cannot write. A prepared statement holds one statement only. */
async function readRows(
  connection: ConnectionSettings,
  query: string,
  { source, signal }: QuerySetup,
): Promise<readonly unknown[]> {
  const client = await openClient(connection, TOOL, signal);
  try {
    await client.query("BEGIN READ ONLY; SET LOCAL search_path TO DEFAULT");
    return (await client.query<object>({ name: "targets", text: query })).rows;
  } catch (cause) {
    if (signal.aborted)
      throw new MigrationError("CANCELLED", "cancelled while the targets were read", { cause });
    const sqlstate = property(cause, "code");
    throw new MigrationError("TARGETS", `${source} fails: ${errorMessage(cause)}`, {
      ...given({ sqlstate: typeof sqlstate === "string" ? sqlstate : undefined }),
      hint: `It runs, read-only, in the database ${connection.database}, where it must answer one row for each target.`,
      cause,
    });
  } finally {
    await closeClient(client);
  }
}
