import { MigrationError } from "../../lib/core/index.ts";
import { ENV } from "../contract.ts";
import { withSession } from "../runtime/engine.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readSettings } from "../runtime/settings.ts";

/** Lambda takes answers of up to six megabytes. */
const ROWS_BYTES = 5_500_000;

/**
 * The rows of the fleet's query, as the driver reads them. The session sees what a migration would see, and cannot write.
 * @throws MigrationError `TARGETS` when the query fails or answers more than a function can
 */
export function listTargets(invocation: Invocation, env: Environment): Promise<readonly unknown[]> {
  return withSession(invocation, readSettings(env), async (session) => {
    await session.makeReadOnly();
    await session.enterMigration();
    const rows = await session.lastRows(env[ENV.fleetQuery] ?? "").catch((error: unknown) => {
      throw error instanceof MigrationError && error.code === "SQL" ? refusedQuery(error) : error;
    });
    invocation.log.info("the query of the fleet was run", { rows: rows.length });
    const bytes = Buffer.byteLength(JSON.stringify(rows));
    if (bytes <= ROWS_BYTES) return rows;
    throw new MigrationError(
      "TARGETS",
      `the query of the fleet answers ${rows.length} rows with ${bytes} bytes, more than a function can`,
      {
        hint: "Select the columns of a target only, or write the targets to S3 as JSON and give the construct that object.",
      },
    );
  });
}

function refusedQuery(error: MigrationError): MigrationError {
  const { sqlstate } = error.details;
  const state = sqlstate === undefined ? "" : ` (SQLSTATE ${sqlstate})`;
  return new MigrationError("TARGETS", `the query of the fleet fails: ${error.message}${state}`, {
    hint: "It runs in the fleet's own database, read-only, with the construct's `schema` as search path: do its table and rights exist there?",
    cause: error,
  });
}
