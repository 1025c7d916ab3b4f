import { types } from "node:util";
import { type Direction, given, MigrationError } from "../core/index.ts";
import { untilAborted } from "../postgres/index.ts";
import { asksForNoTransaction, NO_TRANSACTION, tokenize } from "../sql/index.ts";
import { contain, outsideContainment, silenceContained } from "./contain.ts";
import { type ChosenAction, chooseAction, HOW_TO_DECLARE, type MigrationCode, PlainSql } from "./load.ts";
import type { CollectRequest, RenderedSql } from "./node-pg-migrate.ts";
import { withoutOwnTransaction } from "./own-transaction.ts";
import { callSite, MigrationQueries, placeOf, type RunQuery } from "./queries.ts";

/** SQL that is known before the run, or the fact that it depends on answers of the database. */
export type Rendered = ({ readonly kind: "static" } & RenderedSql) | { readonly kind: "dynamic" };

/** Loaded on demand: node-pg-migrate takes a tenth of a second, and SQL files do not need it. */
const loadAdapter = () => import("./node-pg-migrate.ts");

/**
 * Renders without a database. A migration that queries `pgm.db` is dynamic: the query is never answered, so that no code
 * after it runs.
 * @throws MigrationError `IRREVERSIBLE`, or `MIGRATION` for an error of the migration's own code
 */
export async function renderWithoutDatabase(code: MigrationCode, direction: Direction): Promise<Rendered> {
  const chosen = chooseAction(code.name, code.actions, direction);
  if (chosen instanceof PlainSql) return { kind: "static", ...checked(code.name, chosen) };
  let isDynamic = false;
  let notifyQuery = (): void => {};
  const firstQuery = new Promise<void>((resolve) => {
    notifyQuery = resolve;
  });
  const query = (): Promise<never> => {
    isDynamic = true;
    // The migration will be called again with a database.
    silenceContained();
    notifyQuery();
    return new Promise(() => {});
  };
  const event = { migration: code.name, direction };
  code.observe?.({ type: "building", ...event });
  try {
    const request = { ...chosen, ...code, db: () => ({ query, select: query }) };
    const rendered = await Promise.race([build(code, direction, request), firstQuery]);
    return isDynamic || rendered === undefined ? { kind: "dynamic" } : { kind: "static", ...rendered };
  } catch (error) {
    if (isDynamic) return { kind: "dynamic" };
    throw await renderError(code, chosen, direction, error);
  } finally {
    code.observe?.({ type: "built", ...event });
  }
}

/** The SQL to undo with the file, or the fact that the file cannot be undone. */
export async function renderOrIrreversible(code: MigrationCode): Promise<Rendered | "irreversible"> {
  try {
    return await renderWithoutDatabase(code, "down");
  } catch (error) {
    if (error instanceof MigrationError && error.code === "IRREVERSIBLE") return "irreversible";
    throw error;
  }
}

/** Renders a dynamic migration against the database. Errors of its queries pass through unchanged. */
export async function renderWithDatabase(
  code: MigrationCode,
  direction: Direction,
  run: (usesTransaction: () => boolean) => RunQuery,
): Promise<RenderedSql> {
  const chosen = chooseAction(code.name, code.actions, direction);
  if (chosen instanceof PlainSql) return checked(code.name, chosen);
  let queries: MigrationQueries | undefined;
  const db = (usesTransaction: () => boolean): MigrationQueries => {
    const send = run(usesTransaction);
    queries = new MigrationQueries(code.name, (query) => outsideContainment(() => send(query)));
    return queries;
  };
  try {
    return await build(code, direction, { ...chosen, ...code, db }, async () => queries?.finish());
  } catch (error) {
    // Queries that still run must not disturb the clean-up, or be committed with the record of the failure.
    await queries?.close();
    throw await renderError(code, chosen, direction, error);
  }
}

/** The SQL of `up`; undefined when it cannot be known without a database. */
export async function renderUp(code: MigrationCode): Promise<readonly string[] | undefined> {
  const rendered = await renderWithoutDatabase(code, "up");
  return rendered.kind === "static" ? rendered.steps : undefined;
}

/** SQL for the history that would undo a migration, or why there is none. */
export type RenderedDown = { readonly sql: readonly string[] } | { readonly missing: string | undefined };

/**
 * The SQL that would undo this migration, for the history. SQL that must run outside a transaction says so in its
 * first line, as in a file. There is none, and no reason is missing, when the migration cannot be undone or its `down`
 * depends on the database.
 */
export async function renderDown(code: MigrationCode): Promise<RenderedDown> {
  try {
    const rendered = await renderWithoutDatabase(
      { ...code, warn: () => {}, observe: undefined, silent: true },
      "down",
    );
    if (rendered.kind === "dynamic") return { missing: undefined };
    const marked = rendered.transactional || asksForNoTransaction(rendered.steps[0] ?? "");
    return { sql: marked ? rendered.steps : [NO_TRANSACTION, ...rendered.steps] };
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code === "IRREVERSIBLE") return { missing: undefined };
    if (error.code === "CANCELLED" || error.code === "DEADLINE") throw error;
    return { missing: error.message };
  }
}

/** @param finish called when the function of the migration has returned */
async function build(
  code: MigrationCode,
  direction: Direction,
  { warn, ...request }: Omit<CollectRequest, "tooLate">,
  finish: () => Promise<void> = async () => {},
): Promise<RenderedSql> {
  const { collectSql } = await loadAdapter();
  const contained = { migration: code.name, activity: direction, silent: code.silent ?? false };
  const building = contain(contained, async () => {
    const rendered = await collectSql({
      ...request,
      // The observer of the engine is not code of the migration.
      warn: (message) => outsideContainment(() => warn(message)),
      tooLate: (call, called) => calledTooLate(code.name, call, callSite(call, called)),
    });
    await finish();
    return rendered;
  });
  return checked(code.name, await untilAborted(building, code.signal));
}

function calledTooLate(migration: string, call: string, site: Error): MigrationError {
  const place = placeOf(site);
  const where = place === undefined ? "" : ` (${place})`;
  return new MigrationError(
    "MIGRATION",
    `migration ${migration} called ${call} after its function had returned${where}`,
    {
      migration,
      hint: "Write await before what takes time, so that the function returns when all is done.",
      cause: site,
    },
  );
}

/** @throws MigrationError for SQL that cannot be sent, or that controls the transaction it is to run in */
function checked(name: string, { steps: unchecked, transactional, backfill }: RenderedSql): RenderedSql {
  // The driver replaces half a surrogate pair; the history must hold what was sent.
  const sent = unchecked.map((step) => (/\p{Surrogate}/u.test(step) ? Buffer.from(step).toString() : step));
  const steps = transactional ? withoutOwnTransaction(name, sent) : sent;
  if (!transactional && steps.some((step) => READS_ESCAPES.test(step)) && steps.some(hasPlainBackslash))
    throw readsEscapes(name);
  if (!steps.some((step) => step.includes("\0"))) return { steps, transactional, ...given({ backfill }) };
  throw new MigrationError("MIGRATION", `migration ${name} has a NUL character in its SQL`, {
    migration: name,
    hint: "Take it out: no text in Postgres can hold one. A bytea can: '\\\\x00'.",
  });
}

/** A setting under which a backslash in a plain literal is an escape. */
const READS_ESCAPES = /standard_conforming_strings['"]?\s*(?:=|\bto\b|,)\s*'?(?:off|false|no|0)\b/i;

function hasPlainBackslash(sql: string): boolean {
  return tokenize(sql).some(
    ({ kind, start, end }) => kind === "string" && sql[start] === "'" && sql.slice(start, end).includes("\\"),
  );
}

/** Without a transaction, the engine splits the SQL before the server knows the setting. */
function readsEscapes(migration: string): MigrationError {
  return new MigrationError(
    "MIGRATION",
    `migration ${migration} switches standard_conforming_strings off, and has a backslash in a plain literal`,
    {
      migration,
      hint: "Write the literal as E'…' and take the setting out: outside a transaction the SQL is cut into statements before it is in force.",
    },
  );
}

async function renderError(
  code: MigrationCode,
  chosen: ChosenAction,
  direction: Direction,
  error: unknown,
): Promise<MigrationError> {
  if (error instanceof MigrationError) {
    return error.details.migration === undefined ? error.with({ migration: code.name }) : error;
  }
  const { isNotReversible } = await loadAdapter();
  if (chosen.mode === "inferred" && isNotReversible(error)) {
    return new MigrationError(
      "IRREVERSIBLE",
      `migration ${code.name} has no down, and none can be inferred`,
      {
        migration: code.name,
        cause: error,
        hint: `Export a down function from it, or say why it cannot be undone: ${HOW_TO_DECLARE}.`,
      },
    );
  }
  const message = types.isNativeError(error) ? error.message : String(error);
  return new MigrationError(
    "MIGRATION",
    `${direction} of migration ${code.name} threw an error: ${message}`,
    {
      migration: code.name,
      cause: error,
    },
  );
}
