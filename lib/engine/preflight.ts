import {
  type Finding,
  Hint,
  MigrationError,
  type PreflightCheck,
  type SessionInfo,
  shortBytes,
} from "../core/index.ts";
import { describeSession, ENGINE_PATH, presentable, type Session } from "../postgres/index.ts";
import { mentions, quoteLiteral, runsOtherCode } from "../sql/index.ts";
import type { Checks } from "./checks.ts";
import type { Context } from "./context.ts";
import type { PlannedMigration } from "./plan.ts";
import {
  type FoundObject,
  type FoundReplication,
  type FoundSession,
  type NamedTable,
  objectsQuery,
  replicationQuery,
  sessionsQuery,
} from "./preflight-queries.ts";

/** SQL that a run is about to send; null when it is known only while it runs. */
interface ComingSql {
  readonly migration: string;
  readonly sql: readonly string[] | null;
}

/** What the planned migrations will send. One that is only recorded sends nothing. */
export function comingSql(planned: readonly PlannedMigration[]): readonly ComingSql[] {
  return planned
    .filter(({ recordedAs }) => recordedAs === undefined)
    .map(({ name, rendered }) => ({
      migration: name,
      sql: rendered.kind === "static" ? rendered.steps : null,
    }));
}

/**
 * Adds to the checks what stands in the way of a run: as warnings, or with `strict` as refusals. What could not be looked
 * at is a warning at any rate.
 */
export async function withPreflight<C extends Checks>(
  context: Context,
  checks: C,
  coming: readonly ComingSql[],
): Promise<C> {
  const { preflight } = context.options;
  if (preflight === "off" || coming.length === 0 || checks.refusals.length > 0) return checks;
  const findings = await findObstacles(context, coming);
  const refuses = ({ check }: Finding) => preflight === "strict" && check !== "hidden" && check !== "failed";
  return {
    ...checks,
    refusals: findings.filter(refuses),
    warnings: [...checks.warnings, ...findings.filter((finding) => !refuses(finding))],
  };
}

/** @throws MigrationError `PREFLIGHT` that lists all refusals of the pre-flight check */
export function requireClear({ refusals }: Checks): void {
  const found = refusals.filter(({ code }) => code === "PREFLIGHT");
  if (found.length === 0) return;
  const lines = found.map(({ message, hint }) => `  ${message}\n    ${hint}`);
  const what = found.length === 1 ? "1 obstacle" : `${found.length} obstacles`;
  throw new MigrationError("PREFLIGHT", `the pre-flight check found ${what}:\n${lines.join("\n")}`, {
    hint: Hint.of`Remove what stands in the way, or wait until it is gone, and run again. To run all the same: ${Hint.option("preflight", "warn")}.`,
  });
}

async function findObstacles(
  { session, options }: Context,
  coming: readonly ComingSql[],
): Promise<readonly Finding[]> {
  const { schema, oldTransactionMs, replicaLagMs } = options;
  return [
    ...(await ask<FoundSession>(session, "other sessions", sessionsQuery(oldTransactionMs), (found) =>
      describeSessions(found, coming),
    )),
    ...(await ask<FoundObject>(
      session,
      "indexes and prepared transactions",
      objectsQuery(schema, oldTransactionMs),
      (found) => describeObjects(found, coming),
    )),
    ...(await ask<FoundReplication>(session, "replication", replicationQuery(replicaLagMs), (found) =>
      found.map(describeReplication),
    )),
  ];
}

/** A check may not hold up a run for longer. */
const LONGEST_MS = 5_000;

/** A check that the server refuses, or that takes too long, is itself a finding: it must not fail the run. */
async function ask<Found extends object>(
  session: Session,
  what: string,
  query: string,
  describe: (found: readonly Found[]) => readonly Finding[],
): Promise<readonly Finding[]> {
  try {
    const scope = `SET LOCAL search_path = ${ENGINE_PATH}; SET LOCAL statement_timeout = ${LONGEST_MS}`;
    return describe(await session.lastRows<Found>(`${scope}; ${query}`));
  } catch (error) {
    if (!(error instanceof MigrationError) || !["SQL", "LOCK_TIMEOUT"].includes(error.code)) throw error;
    return [obstacle("failed", `the pre-flight check of ${what} failed: ${error.message}`, FAILED_HINT)];
  }
}

const FAILED_HINT = Hint.of`The run goes on without it. A right that is missing comes with GRANT pg_monitor; ${Hint.option("preflight", "off")} does not look.`;

function obstacle(
  check: PreflightCheck,
  message: string,
  hint: string | Hint,
  more: Pick<Finding, "session"> & Partial<Pick<Finding, "migrations">> = {},
): Finding {
  return { code: "PREFLIGHT", migrations: [], message, hint, check, ...more };
}

function describeSessions(found: readonly FoundSession[], coming: readonly ComingSql[]): readonly Finding[] {
  const hidden = found.filter(({ kind }) => kind === "hidden");
  const visible = found.flatMap(({ kind, session: row, tables }) => {
    const session = presentable(row);
    if (kind === "dump") return [dumpFinding(session)];
    if (kind === "old-transaction") return [oldTransaction(session, tables ?? [], coming)];
    return kind === "wraparound-vacuum" ? vacuums(session, tables ?? [], coming) : [];
  });
  return hidden.length === 0 ? visible : [...visible, hiddenFinding(hidden.length)];
}

function dumpFinding(session: SessionInfo): Finding {
  const isNamed = session.application?.startsWith("pg_dump");
  const what = isNamed
    ? "a dump of the database is running"
    : "a transaction has locked many tables for reading, as a dump does";
  return obstacle(
    "dump",
    `${what}: ${describeSession(session)}`,
    "It holds these locks until it ends: ALTER TABLE and DROP wait for it, and everybody who uses the table waits behind them. Run after it has ended.",
    { session },
  );
}

function oldTransaction(
  session: SessionInfo,
  tables: readonly NamedTable[],
  coming: readonly ComingSql[],
): Finding {
  const locked = tables.filter(({ names }) => namedBy(names, coming).length > 0).map(({ name }) => name);
  const migrations = [...new Set(tables.flatMap(({ names }) => namedBy(names, coming)))];
  const held = locked.length === 0 ? "" : `; it has locked ${locked.join(", ")}, which ${listed(migrations)}`;
  const what = session.state === "active" ? "a transaction" : "an idle transaction";
  return obstacle(
    "old-transaction",
    `${what} has been open for long: ${describeSession(session)}${held}`,
    `Statements of the run wait for the locks that it holds, and CREATE INDEX CONCURRENTLY for its end. Let it end, or end that session: SELECT pg_terminate_backend(${session.pid});`,
    { session, migrations },
  );
}

/** The vacuums on tables that the run changes, or may change where its SQL does not tell. */
function vacuums(
  session: SessionInfo,
  tables: readonly NamedTable[],
  coming: readonly ComingSql[],
): readonly Finding[] {
  const unclear = coming.filter(isUnclear).map(({ migration }) => migration);
  return tables.flatMap(({ name, names }) => {
    const naming = namedBy(names, coming);
    const migrations = naming.length > 0 ? naming : unclear;
    if (migrations.length === 0) return [];
    const how = naming.length > 0 ? `which ${listed(naming)}` : `which ${unclear.join(", ")} may change`;
    return [
      obstacle(
        "wraparound-vacuum",
        `an autovacuum to prevent wraparound works on ${name}, ${how}: ${describeSession(session)}`,
        "Unlike other autovacuums it does not give way: ALTER TABLE waits until it has finished. pg_stat_progress_vacuum shows how far it is; run after it has ended.",
        { session, migrations },
      ),
    ];
  });
}

function hiddenFinding(count: number): Finding {
  const what = count === 1 ? "1 session is" : `${count} sessions are`;
  return obstacle(
    "hidden",
    `${what} in a transaction whose age this user may not see, nor whether an autovacuum prevents wraparound`,
    HIDDEN_HINT,
  );
}

const HIDDEN_HINT = "GRANT pg_monitor to the user of the migrations lets the pre-flight check see it.";

function describeObjects(found: readonly FoundObject[], coming: readonly ComingSql[]): readonly Finding[] {
  return found.flatMap((one) => {
    if (one.kind === "prepared-transaction") return [preparedFinding(one)];
    // The run may be what puts it right.
    return namedBy([one.name], coming).length > 0 ? [] : [invalidIndex(one)];
  });
}

function preparedFinding({
  name,
  owner,
  ageMs,
}: Extract<FoundObject, { kind: "prepared-transaction" }>): Finding {
  const id = quoteLiteral(name);
  return obstacle(
    "prepared-transaction",
    `a prepared transaction has been open for ${seconds(ageMs)}: ${id}, of user ${owner}`,
    `It keeps its locks, also when the server restarts, until somebody ends it: COMMIT PREPARED ${id}; or ROLLBACK PREPARED ${id};`,
  );
}

function invalidIndex({ qualified, table }: Extract<FoundObject, { kind: "invalid-index" }>): Finding {
  return obstacle(
    "invalid-index",
    `index ${qualified} of ${table} is not valid`,
    `No query uses it, and every write keeps it up: a concurrent build has failed. DROP INDEX CONCURRENTLY ${qualified}; and build it again, or REINDEX INDEX CONCURRENTLY ${qualified};`,
  );
}

function describeReplication(found: FoundReplication): Finding {
  if (found.kind === "hidden-replicas") {
    return obstacle("hidden", "how far replicas are behind, this user may not see", HIDDEN_HINT);
  }
  if (found.kind === "replication-slot") return slotFinding(found);
  const { session, lagMs, bytes } = found;
  const from = session.client === null ? "" : ` (${session.client})`;
  const behind = [...(lagMs === null ? [] : [seconds(lagMs)]), shortBytes(bytes)].join(", ");
  return obstacle(
    "replica-lag",
    `replica "${session.application}"${from} is behind: ${behind}; pid ${session.pid}`,
    "What the run writes comes on top, and until the replica has caught up, its readers see the old state. Wait for it, or find out what holds it up.",
  );
}

function slotFinding({
  name,
  isActive,
  bytes,
}: Extract<FoundReplication, { kind: "replication-slot" }>): Finding {
  const id = quoteLiteral(name);
  return obstacle(
    "replication-slot",
    isActive
      ? `replication slot ${id} is far behind: ${shortBytes(bytes)} of WAL are kept for it`
      : `nobody reads replication slot ${id}: ${shortBytes(bytes)} of WAL are kept for it`,
    `What the run writes is kept as well, and can fill the disk. Let its reader catch up; or, if it is not needed any more: SELECT pg_drop_replication_slot(${id});`,
  );
}

/** The migrations whose SQL has one of these names in it. */
function namedBy(names: readonly string[], coming: readonly ComingSql[]): readonly string[] {
  const isNaming = ({ sql }: ComingSql) => sql?.some((text) => names.some((name) => mentions(text, name)));
  return coming.filter(isNaming).map(({ migration }) => migration);
}

/** Whether the SQL does not tell which tables are changed. */
function isUnclear({ sql }: ComingSql): boolean {
  return sql === null || sql.some(runsOtherCode);
}

function listed(migrations: readonly string[]): string {
  return `${migrations.join(", ")} ${migrations.length === 1 ? "names" : "name"}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
