import { type ForecastFailure, inRunningOrder } from "../../core/index.ts";
import { applyOptOuts } from "./accept.ts";
import type { Draft } from "./draft.ts";
import { readFiles } from "./files.ts";
import { groupBy } from "./group.ts";
import { locateDraft } from "./locate.ts";
import { type ReadMigration, readMigration } from "./migration.ts";
import { loadParser } from "./parser.ts";
import type { AcceptedFinding, LintFinding, LintReport } from "./report.ts";
import type { LintRequest } from "./request.ts";
import { OWN_RULES } from "./rules/index.ts";
import type { ScriptStatement } from "./script.ts";
import { findSquawk, runSquawk } from "./squawk.ts";
import { readComplaints, writeSquawkScript } from "./squawk-findings.ts";
import { ColumnTypes, changesTypes } from "./tree/types.ts";

/**
 * Judges pending migrations by the SQL they would send: squawk's rules, in one call for all, and our own.
 * @throws MigrationError `USAGE` when squawk-cli or libpg-query is not installed
 */
export async function lintMigrations(request: LintRequest): Promise<LintReport> {
  const program = findSquawk();
  const parser = await loadParser();
  const migrations: ReadMigration[] = [];
  const failed = await Promise.all((request.failures ?? []).map((one) => describeFailure(request, one)));
  for (const step of request.steps) migrations.push(await readMigration(parser, request, step));
  const bySquawk = await askSquawk(program, migrations, request);
  const findings: LintFinding[] = [];
  const accepted: AcceptedFinding[] = [];
  for (const migration of migrations) {
    const drafts = withoutRepeats([
      ...OWN_RULES.flatMap((rule) => rule(migration, request)),
      ...(bySquawk.get(migration.name) ?? []),
    ]);
    const located = drafts.map((draft) => locateDraft(migration, draft));
    const judged = applyOptOuts(migration, located);
    findings.push(...judged.findings.toSorted(inReadingOrder(migration)));
    accepted.push(...judged.accepted);
  }
  findings.push(...failed);
  const position = new Map(
    inRunningOrder(request.folder.entries, ({ name }) => name).map(({ name }, index) => [name, index]),
  );
  findings.sort((a, b) => (position.get(a.migration) ?? 0) - (position.get(b.migration) ?? 0));
  const ok = findings.every(({ severity }) => severity !== "error");
  const names = new Set([...migrations.map(({ name }) => name), ...failed.map(({ migration }) => migration)]);
  return { findings, accepted, migrations: names.size, ...(request.all ? { all: true } : {}), ok };
}

/** `cannot-build`: what throws when it is loaded or built says nothing about its SQL. */
async function describeFailure(
  request: LintRequest,
  { migration, direction, error }: ForecastFailure,
): Promise<LintFinding> {
  const entry = request.folder.entries.find(({ name }) => name === migration);
  const [first] = entry === undefined ? [] : await readFiles(request, entry);
  return {
    rule: "cannot-build",
    severity: "error",
    migration,
    direction,
    file: first?.path ?? migration,
    message: error.message,
    help: error.details.hint ?? "Correct it; its SQL is judged when it can be built.",
  };
}

async function askSquawk(
  program: string,
  migrations: readonly ReadMigration[],
  { postgresMajor, signal, columnTypes }: LintRequest,
): Promise<Map<string, Draft[]>> {
  const instant = await findInstant(migrations, columnTypes);
  const asked = migrations.flatMap((migration, index) => {
    const script = writeSquawkScript(migration);
    // A number for a name: a migration's own may hold what a pattern or a file system minds.
    return script === undefined ? [] : [{ migration, script, file: `${index}.sql` }];
  });
  const scripts = new Map(asked.map(({ file, script }) => [file, script.text]));
  const complaints = groupBy(
    await runSquawk({ program, scripts, postgresMajor, signal }),
    ({ file }) => file,
  );
  return new Map(
    asked.map(({ migration, script, file }) => [
      migration.name,
      readComplaints(migration, script, complaints.get(file) ?? [], instant),
    ]),
  );
}

/** The statements that change types of columns without a rewrite. Other types are asked for only where there is one. */
async function findInstant(
  migrations: readonly ReadMigration[],
  read: LintRequest["columnTypes"],
): Promise<ReadonlySet<ScriptStatement>> {
  const statements = migrations.flatMap(({ up }) => up?.statements ?? []);
  const instant = new Set<ScriptStatement>();
  if (!statements.some(({ node }) => changesTypes(node))) return instant;
  const types = new ColumnTypes((await read?.()) ?? []);
  for (const statement of statements) {
    if (types.onlyWidens(statement.node)) instant.add(statement);
    types.apply(statement.node);
  }
  return instant;
}

/** An UPDATE of every row beside a change of shape is reported once, with the better advice. */
function withoutRepeats(drafts: readonly Draft[]): Draft[] {
  const known = new Set(drafts.flatMap(({ rule, at }) => (rule === "ddl-with-data" ? [at?.statement] : [])));
  return drafts.filter(({ rule, at }) => rule !== "update-every-row" || !known.has(at?.statement));
}

/** As the files are read; what has no line comes first. */
function inReadingOrder({ files }: ReadMigration) {
  const rank = ({ file }: LintFinding): number => files.findIndex(({ path }) => path === file);
  return (a: LintFinding, b: LintFinding): number =>
    rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
