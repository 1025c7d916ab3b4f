import type { SchemaTable } from "../../lib/review/catalog/index.ts";
import { compareSchemas, drawSchema, type MigrationReport } from "../../lib/review/report/index.ts";

/** It would run as a script, break out of an attribute, or load something, if it were not escaped. */
export const HOSTILE = `<script>document.title="owned"</script>"'><img src=http://example.com/x onerror=alert(1)>`;

const LONG = "a_name_without_any_place_to_break_it_".repeat(4);

function table(name: string, columns: readonly string[], refersTo?: string): SchemaTable {
  const target = refersTo === undefined ? [] : [refersTo];
  return {
    name,
    columns: columns.map((column) => ({
      name: column,
      type: "numeric(10,2)",
      nullable: column !== "id",
      primary: column === "id",
    })),
    foreignKeys: target.map((one) => ({
      name: "fk",
      columns: ["ref"],
      target: one,
      targetColumns: ["id"],
      unique: false,
    })),
  };
}

const BEFORE = [table("kept", ["id"]), table("leaving", ["id", "x"]), table("self", ["id", "ref"], "self")];
const AFTER = [
  table("kept", ["id", "added"]),
  table(HOSTILE, ["id", "ref", HOSTILE], "kept"),
  table("self", ["id", "ref"], "self"),
  table(LONG, []),
];

/** A report with everything that one can have, named by somebody who means harm. */
export const FULL_REPORT: MigrationReport = {
  subject: { kind: "database", database: HOSTILE, host: LONG, user: HOSTILE },
  head: HOSTILE,
  pending: [
    {
      name: HOSTILE,
      sql: [`CREATE TABLE ${LONG} (id int DEFAULT 1); -- ${HOSTILE}`, "SELECT '</script>', now(), $$x$$;"],
      transactional: true,
      dynamic: true,
      down: "yes",
      findings: (["error", "warning"] as const).map((severity) => ({
        rule: "rewrites-table",
        severity,
        migration: HOSTILE,
        direction: "up",
        file: `migrations/${LONG}.sql`,
        line: 3,
        message: HOSTILE,
        help: "Use `pg_repack`.",
      })),
      changes: (["new", "changed", "dropped"] as const).map((change) => ({
        kind: "table",
        name: LONG,
        change,
      })),
      measured: {
        ...{ migration: HOSTILE, outcome: "stopped", reason: HOSTILE, blocksNobody: false, durationMs: 12 },
        locks: [
          {
            ...{ table: LONG, kind: "table", mode: "ACCESS EXCLUSIVE", blocks: "reads and writes" },
            ...{ heldMs: 12, rows: 41_000_000, bytes: 18 * 2 ** 30, rewritten: false },
          },
        ],
        indexes: [{ index: HOSTILE, table: HOSTILE }],
        rows: [{ table: HOSTILE, inserted: 1, updated: 0, deleted: 0 }],
        walBytes: 1_024,
        omitted: [{ statement: 1, effect: "nextval()", whileLocked: true }],
        sequences: [HOSTILE],
      },
      problem: HOSTILE,
    },
    {
      name: LONG,
      sql: null,
      transactional: null,
      dynamic: false,
      down: "no",
      findings: [],
      changes: undefined,
      problem: undefined,
    },
  ],
  refusals: [{ code: "CHANGED", migrations: [HOSTILE], message: HOSTILE, hint: HOSTILE }],
  warnings: [{ code: "ORDER", migrations: [HOSTILE], message: HOSTILE, hint: HOSTILE }],
  digest: "0123456789abcdef".repeat(4),
  notLinted: HOSTILE,
  schema: { before: drawSchema(BEFORE), after: compareSchemas(BEFORE, AFTER), problem: HOSTILE },
  history: (["finished", "failed", "started"] as const).map((state, index) => ({
    id: String(index),
    run: "1",
    migration: HOSTILE,
    action: "up",
    state,
    statement: null,
    noTransaction: false,
    errorCode: state === "failed" ? "SQL" : null,
    note: HOSTILE,
    durationMs: 12,
    actor: LONG,
    origin: "cli",
    revision: null,
    bundle: null,
    tool: "x",
    at: "2026-11-29T06:00:00.000Z",
  })),
};
