import { type ForecastFailure, given, inRunningOrder, MigrationError } from "../../core/index.ts";
import { readContracts } from "../../engine/index.ts";
import { maskSecrets } from "../../sql/index.ts";
import { type DatabaseFacts, isAbsent, NO_FACTS } from "./database-facts.ts";
import { applyIgnoreComments, type LocatedFinding, readIgnoreComments } from "./ignore-comments.ts";
import { findInstant } from "./instant.ts";
import { fileOf, type LintedMigration, type LintRequest, readFiles, readMigration } from "./migration.ts";
import { type Created, createdBy } from "./objects.ts";
import { lineAndColumn, loadParser, type Parser } from "./parsed-sql.ts";
import type { LintFinding, LintReport, RuleFinding, SqlPosition } from "./report.ts";
import { applyRules } from "./rules.ts";
import { findSquawk } from "./squawk.ts";
import { findBySquawk } from "./squawk-findings.ts";
import { SQUAWK_RULES } from "./squawk-rules.ts";
import { afterRenames, bySize, type SizedFindings } from "./table-sizes.ts";

/**
 * Checks the SQL that migrations would send with our own rules and those of squawk.
 * @throws MigrationError `TOOL_MISSING` if libpg-query is not installed, or squawk-cli, unless the request says that it may
 * be missing
 */
export async function lintMigrations(request: LintRequest): Promise<LintReport> {
  const { newestApplied, all } = request;
  const forecast = await withoutBaselines(request);
  const contracts = await readContracts(request.folder);
  const program = request.squawk === "if-installed" ? installedSquawk() : findSquawk();
  const parser = await loadParser();
  const failures = await Promise.all(forecast.failures.map((failure) => describeFailure(request, failure)));
  const facts = forecast.steps.length === 0 ? NO_FACTS : ((await request.facts?.()) ?? NO_FACTS);
  const migrations = await readMigrations(parser, { ...request, forecast }, facts);
  const bySquawk =
    program === undefined
      ? new Map<string, RuleFinding[]>()
      : await findBySquawk(migrations, {
          program,
          postgresMajor: forecast.serverMajor,
          // With all migrations, types and constraints follow from the migrations themselves.
          instant: findInstant(migrations, all ? NO_FACTS : facts),
          signal: request.signal,
        });
  const notApplied = program === undefined ? Object.keys(SQUAWK_RULES) : [];
  let known = facts;
  const results = migrations.map((migration) => {
    known = afterRenames(known, migration.up?.statements.map(({ node }) => node) ?? []);
    const found = [
      ...applyRules(migration, { newestApplied, contracts, columns: all ? [] : facts.columns }),
      ...(bySquawk.get(migration.name) ?? []),
    ];
    const expected = contracts.has(migration.name) ? EXPECTED_OF_CONTRACTS : [];
    const reported = bySize(
      withoutRepeats(found).filter(({ rule }) => !expected.includes(rule)),
      known,
    );
    return judge(parser, { migration, reported, notApplied });
  });
  const findings = inFolderOrder(request, [...results.flatMap((result) => result.findings), ...failures]);
  return {
    findings,
    accepted: results.flatMap(({ accepted }) => accepted),
    ...(facts.sizes === undefined ? {} : { quick: results.flatMap(({ quick }) => quick) }),
    migrations: new Set([...forecast.steps, ...forecast.failures].map(({ migration }) => migration)).size,
    ...(all ? { all: true } : {}),
    ok: findings.every(({ severity }) => severity !== "error"),
  };
}

function installedSquawk(): string | undefined {
  try {
    return findSquawk();
  } catch (error) {
    if (error instanceof MigrationError && error.code === "TOOL_MISSING") return undefined;
    throw error;
  }
}

/** A baseline runs on new databases only, where nothing waits for a lock and no data can be lost. */
async function withoutBaselines({ folder, forecast }: LintRequest): Promise<LintRequest["forecast"]> {
  const headers = await folder.baselineHeaders?.();
  if (headers === undefined || headers.size === 0) return forecast;
  return { ...forecast, steps: forecast.steps.filter(({ migration }) => !headers.has(migration)) };
}

interface Judged {
  readonly migration: LintedMigration;
  readonly reported: SizedFindings;
  /** Names of rules that could not be applied. */
  readonly notApplied: readonly string[];
}

function judge(parser: Parser, { migration, reported, notApplied }: Judged) {
  const { findings, accepted } = applyIgnoreComments(migration, readIgnoreComments(parser, migration), {
    findings: withOneDataChange(reported.findings).map((finding) => locate(migration, finding)),
    quick: reported.quick.map(({ finding }) => locate(migration, finding)),
    notApplied,
  });
  const { name } = migration;
  return {
    findings: findings.toSorted(inReadingOrder(migration)),
    accepted,
    quick: reported.quick.map(({ finding, reason }) => ({ rule: finding.rule, migration: name, reason })),
  };
}

/** In running order. With a database, what earlier migrations of the run create is new to the later ones. */
async function readMigrations(
  parser: Parser,
  request: LintRequest,
  facts: DatabaseFacts,
): Promise<LintedMigration[]> {
  const migrations: LintedMigration[] = [];
  let created: readonly Created[] = [];
  for (const step of request.forecast.steps) {
    const migration = await readMigration(parser, request, { step, createdBefore: created });
    migrations.push(migration);
    // Applied migrations created long ago what they create.
    if (facts.tables === undefined || request.all) continue;
    const nodes = (migration.up?.statements ?? []).map(({ node }) => node);
    created = createdBy(nodes, created).flatMap((object) => whereAbsent(object, facts));
  }
  return migrations;
}

/** IF NOT EXISTS creates a table that the database lacks. Other objects are new where nothing says otherwise. */
function whereAbsent(object: Created, facts: DatabaseFacts): Created[] {
  if (object.kind !== "table") return object.ifMissing ? [] : [object];
  return isAbsent(facts, object.name) ? [{ ...object, ifMissing: false }] : [];
}

function inFolderOrder({ folder }: LintRequest, findings: readonly LintFinding[]): LintFinding[] {
  const position = new Map(
    inRunningOrder(folder.entries, ({ name }) => name).map(({ name }, index) => [name, index]),
  );
  return findings.toSorted((a, b) => (position.get(a.migration) ?? 0) - (position.get(b.migration) ?? 0));
}

/** `cannot-build`: the SQL of a migration is unknown if it throws while it is loaded or built. */
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
    help: String(error.details.hint ?? "Correct it; its SQL is judged when it can be built."),
  };
}

/** The advice is to split the migration: once is enough for all its statements that change rows. */
function withOneDataChange(findings: readonly RuleFinding[]): RuleFinding[] {
  const changes = findings.filter(({ rule }) => rule === "ddl-with-data");
  const first = changes.find(({ severity }) => severity === "error") ?? changes[0];
  if (first === undefined || changes.length === 1) return [...findings];
  const more = changes.length - 1;
  const message = `${first.message}; ${more} other statement${more === 1 ? "" : "s"} of this migration too`;
  return findings.flatMap((finding) => {
    if (finding === first) return [{ ...first, message }];
    return changes.includes(finding) ? [] : [finding];
  });
}

/** A contract waits until no running code can need what it removes. */
const EXPECTED_OF_CONTRACTS = ["ban-drop-column", "ban-drop-table"];

/** A rule, and those that say less about the same statement. */
const BETTER: readonly (readonly [rule: string, worse: readonly string[]])[] = [
  ["ddl-with-data", ["update-every-row"]],
  ["delete-every-row", ["ddl-with-data"]],
  ["adding-column-rewrites-table", ["adding-field-with-default", "adding-serial-primary-key-field"]],
];

function withoutRepeats(findings: readonly RuleFinding[]): RuleFinding[] {
  const seen = new Map<unknown, Set<string>>();
  return findings.filter(({ rule, at }) => {
    const rules = seen.get(at?.statement) ?? new Set();
    if (at?.statement !== undefined && rules.has(rule)) return false;
    seen.set(at?.statement, rules.add(rule));
    const better = BETTER.filter(([, worse]) => worse.includes(rule)).map(([name]) => name);
    return !findings.some(
      (other) => at !== undefined && other.at?.statement === at.statement && better.includes(other.rule),
    );
  });
}

/** In the order of the files and their lines; findings without a line come first. */
function inReadingOrder({ files }: LintedMigration) {
  const rank = ({ file }: LintFinding): number => files.findIndex(({ path }) => path === file);
  return (a: LintFinding, b: LintFinding): number =>
    rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** Adds the file, and the line if the file contains the SQL. */
function locate(migration: LintedMigration, finding: RuleFinding): LocatedFinding {
  const { rule, severity, direction, message, help, at } = finding;
  const file = fileOf(migration, direction);
  const offset = at === undefined ? undefined : offsetIn(file.text, at);
  const statement = at?.statement === undefined ? undefined : maskSecrets(at.statement.text).trim();
  const located = {
    rule,
    severity,
    migration: migration.name,
    direction,
    file: file.path,
    ...(offset === undefined ? {} : lineAndColumn(file.text, offset)),
    ...given({ statement }),
    message,
    help,
  };
  return { finding: located, node: at?.statement?.node };
}

/** Searches the file for the whole text that is sent, then for the statement. Either must occur exactly once. */
function offsetIn(text: string, { step, offset, statement }: SqlPosition): number | undefined {
  const ofStep = onlyIndexOf(text, withoutEnd(step));
  if (ofStep !== undefined) return ofStep + offset - (step.length - step.trimStart().length);
  if (statement === undefined) return undefined;
  const { start, text: blanked } = statement;
  const ofStatement = onlyIndexOf(text, step.slice(start, start + blanked.length));
  return ofStatement === undefined ? undefined : ofStatement + offset - start;
}

/** The builder may have added a semicolon. */
function withoutEnd(step: string): string {
  return step.trim().replace(/\s*;$/, "");
}

function onlyIndexOf(text: string, part: string): number | undefined {
  const first = text.indexOf(part);
  return part === "" || first < 0 || text.includes(part, first + 1) ? undefined : first;
}
