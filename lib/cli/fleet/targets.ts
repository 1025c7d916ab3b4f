import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorMessage, given, MigrationError, resolveOptions, TOOL } from "../../core/index.ts";
import {
  type FleetTarget,
  parseTargetRows,
  parseTargetsFile,
  type TargetsOrigin,
} from "../../fleet/index.ts";
import { Session } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import { type DatabaseFlags, engineOptions } from "../flags.ts";
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
export async function listTargets(
  io: ProcessIo,
  flags: DatabaseFlags,
  base: Target,
  value: string,
): Promise<ListedTargets> {
  if (QUERY.test(value)) return queryTargets(io, flags, base, { source: "the query", sql: value });
  const text = await readFile(resolve(io.cwd, value), "utf8").catch((cause: unknown) => {
    throw new MigrationError("TARGETS", `the file ${value} cannot be read: ${errorMessage(cause)}`, {
      hint: "--targets takes a JSON file with targets, a .sql file with a query, or a query that begins with SELECT, WITH, TABLE or VALUES.",
      cause,
    });
  });
  if (/\.sql$/i.test(value)) return queryTargets(io, flags, base, { source: value, sql: text });
  return { targets: parseTargetsFile(text, originOf(value, base)), source: value };
}

function originOf(source: string, { connection: { host, port, database } }: Target): TargetsOrigin {
  return { source, database: { host, port, database } };
}

interface TargetQuery {
  readonly source: string;
  readonly sql: string;
}

async function queryTargets(
  io: ProcessIo,
  flags: DatabaseFlags,
  base: Target,
  { source, sql }: TargetQuery,
): Promise<ListedTargets> {
  const statements = splitStatements(sql).length;
  if (statements !== 1) throw refused(`${source} must hold one statement, not ${statements}`, base);
  const targets = parseTargetRows(await readRows(io, flags, base, { source, sql }), originOf(source, base));
  const foreign = targets.find(({ host }) => host !== base.connection.host);
  if (foreign === undefined) return { targets, source };
  const message = `${source}: the target ${foreign.name} is on another host, ${foreign.host}`;
  throw new MigrationError("TARGETS", message, {
    hint: "Every target gets the password of the settings, and a row must not decide where that is sent: list other hosts in a file.",
  });
}

/** Runs the query in a session that cannot write, with the search path that migrations have. */
async function readRows(
  io: ProcessIo,
  flags: DatabaseFlags,
  base: Target,
  { source, sql }: TargetQuery,
): Promise<readonly unknown[]> {
  const session = await Session.open({
    connection: base.connection,
    options: resolveOptions(engineOptions(flags)),
    applicationName: TOOL,
    observe: () => {},
    signal: AbortSignal.any([io.signal]),
  });
  try {
    await session.makeReadOnly();
    await session.enterMigration();
    return await session.lastRows(sql);
  } catch (error) {
    const isRefused = error instanceof MigrationError && error.code === "SQL";
    throw isRefused ? refused(`${source} fails: ${error.message}`, base, error) : error;
  } finally {
    await session.end();
  }
}

function refused(message: string, { connection }: Target, cause?: MigrationError): MigrationError {
  return new MigrationError("TARGETS", message, {
    ...given({ sqlstate: cause?.details.sqlstate, cause }),
    hint: `A query runs read-only in the database ${connection.database}, where it must answer one row for each target.`,
  });
}
