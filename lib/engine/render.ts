import { types } from "node:util";
import { type Direction, MigrationError } from "../core/index.ts";
import { untilAborted } from "../postgres/index.ts";
import { tokenize } from "../sql/index.ts";
import { contain, outsideContainment, silenceContained } from "./contain.ts";
import { chooseRecipe, HOW_TO_DECLARE, type MigrationCode, PlainSql, type Recipe } from "./load.ts";
import type { BuildRequest, BuiltSteps } from "./node-pg-migrate.ts";
import { withoutOwnTransaction } from "./own-transaction.ts";
import { callSite, MigrationQueries, placeOf, type RunQuery } from "./queries.ts";
import { asksForNoTransaction, NO_TRANSACTION } from "./sections.ts";

/** SQL that is known before anything runs, or the fact that it depends on what the database answers. */
export type Built = ({ readonly kind: "static" } & BuiltSteps) | { readonly kind: "dynamic" };

/** Loading node-pg-migrate costs a tenth of a second, which a run with nothing to build does not pay. */
const loadEngine = () => import("./node-pg-migrate.ts");

/**
 * Builds without a database. A migration that asks `pgm.db` is dynamic, whatever else it does: its query is never
 * answered, so that none of its code after that runs, and no failure of ours reaches it.
 * @throws MigrationError `IRREVERSIBLE`, or `MIGRATION` for an error of the migration's own code
 */
export async function buildWithoutDatabase(context: MigrationCode, direction: Direction): Promise<Built> {
  const recipe = chooseRecipe(context.name, context.actions, direction);
  if (recipe instanceof PlainSql) return { kind: "static", ...checked(context.name, recipe) };
  let asked = false;
  let tellAsked = (): void => {};
  const whenAsked = new Promise<void>((resolve) => {
    tellAsked = resolve;
  });
  const query = (): Promise<never> => {
    asked = true;
    // What follows is built again with a database.
    silenceContained();
    tellAsked();
    return new Promise(() => {});
  };
  const told = { migration: context.name, direction };
  context.observe?.({ type: "building", ...told });
  try {
    const request = { ...recipe, ...context, db: () => ({ query, select: query }) };
    const built = await Promise.race([build(context, direction, request), whenAsked]);
    return asked || built === undefined ? { kind: "dynamic" } : { kind: "static", ...built };
  } catch (error) {
    if (asked) return { kind: "dynamic" };
    throw await buildError(context, recipe, direction, error);
  } finally {
    context.observe?.({ type: "built", ...told });
  }
}

/** The SQL to undo by the file, or the fact that the file has no way down. */
export async function buildOrIrreversible(context: MigrationCode): Promise<Built | "irreversible"> {
  try {
    return await buildWithoutDatabase(context, "down");
  } catch (error) {
    if (error instanceof MigrationError && error.code === "IRREVERSIBLE") return "irreversible";
    throw error;
  }
}

/** Builds a dynamic migration against the given database. Errors of its queries pass through as they are. */
export async function buildWithDatabase(
  context: MigrationCode,
  direction: Direction,
  run: (usesTransaction: () => boolean) => RunQuery,
): Promise<BuiltSteps> {
  const recipe = chooseRecipe(context.name, context.actions, direction);
  if (recipe instanceof PlainSql) return checked(context.name, recipe);
  let queries: MigrationQueries | undefined;
  const db = (usesTransaction: () => boolean): MigrationQueries => {
    const send = run(usesTransaction);
    queries = new MigrationQueries(context.name, (query) => outsideContainment(() => send(query)));
    return queries;
  };
  try {
    return await build(context, direction, { ...recipe, ...context, db }, async () => queries?.finish());
  } catch (error) {
    // What is still under way must not run into the clean-up, or be committed with the record of the failure.
    await queries?.close();
    throw await buildError(context, recipe, direction, error);
  }
}

/** The SQL of `up`; undefined when it cannot be known without a database. */
export async function renderUp(context: MigrationCode): Promise<readonly string[] | undefined> {
  const built = await buildWithoutDatabase(context, "up");
  return built.kind === "static" ? built.steps : undefined;
}

/** SQL for the history that would undo a migration, or why there is none. */
export type RenderedDown = { readonly sql: readonly string[] } | { readonly missing: string | undefined };

/**
 * The SQL that would undo this migration, for the history. SQL that must run outside a transaction says so in its
 * first line, as a file would. A migration that cannot be undone, or only with a database, has none for a good reason.
 */
export async function renderDown(context: MigrationCode): Promise<RenderedDown> {
  try {
    const built = await buildWithoutDatabase(
      { ...context, warn: () => {}, observe: undefined, silent: true },
      "down",
    );
    if (built.kind === "dynamic") return { missing: undefined };
    const marked = built.transactional || asksForNoTransaction(built.steps[0] ?? "");
    return { sql: marked ? built.steps : [NO_TRANSACTION, ...built.steps] };
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code === "IRREVERSIBLE") return { missing: undefined };
    if (error.code === "CANCELLED" || error.code === "DEADLINE") throw error;
    return { missing: error.message };
  }
}

/** @param finish done when the function of the migration has returned */
async function build(
  context: MigrationCode,
  direction: Direction,
  { warn, ...request }: Omit<BuildRequest, "tooLate">,
  finish: () => Promise<void> = async () => {},
): Promise<BuiltSteps> {
  const { buildSteps } = await loadEngine();
  const code = { migration: context.name, activity: direction, silent: context.silent ?? false };
  const building = contain(code, async () => {
    const built = await buildSteps({
      ...request,
      // What the engine does for a migration is none of the migration's own code.
      warn: (message) => outsideContainment(() => warn(message)),
      tooLate: (call, called) => calledTooLate(context.name, call, callSite(call, called)),
    });
    await finish();
    return built;
  });
  return checked(context.name, await untilAborted(building, context.signal));
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
function checked(name: string, { steps: given, transactional }: BuiltSteps): BuiltSteps {
  // The driver replaces half a surrogate pair; the record must say what was sent.
  const sent = given.map((step) => (/\p{Surrogate}/u.test(step) ? Buffer.from(step).toString() : step));
  const steps = transactional ? withoutOwnTransaction(name, sent) : sent;
  if (!transactional && steps.some((step) => READS_ESCAPES.test(step)) && steps.some(hasPlainBackslash))
    throw readsEscapes(name);
  if (!steps.some((step) => step.includes("\0"))) return { steps, transactional };
  throw new MigrationError("MIGRATION", `migration ${name} has a NUL character in its SQL`, {
    migration: name,
    hint: "Take it out: no text in Postgres can hold one. A bytea can: '\\\\x00'.",
  });
}

/** What makes a backslash in a plain literal mean more than itself. */
const READS_ESCAPES = /standard_conforming_strings['"]?\s*(?:=|\bto\b|,)\s*'?(?:off|false|no|0)\b/i;

function hasPlainBackslash(sql: string): boolean {
  return tokenize(sql).some(
    ({ kind, start, end }) => kind === "string" && sql[start] === "'" && sql.slice(start, end).includes("\\"),
  );
}

/** Statement by statement the SQL is cut by us, before the server has heard of the setting. */
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

async function buildError(
  context: MigrationCode,
  recipe: Recipe,
  direction: Direction,
  error: unknown,
): Promise<MigrationError> {
  if (error instanceof MigrationError) {
    return error.details.migration === undefined ? error.with({ migration: context.name }) : error;
  }
  const { isNotReversible } = await loadEngine();
  if (recipe.mode === "inferred" && isNotReversible(error)) {
    return new MigrationError(
      "IRREVERSIBLE",
      `migration ${context.name} has no down, and none can be inferred`,
      {
        migration: context.name,
        cause: error,
        hint: `Export a down function from it, or say why it cannot be undone: ${HOW_TO_DECLARE}.`,
      },
    );
  }
  const message = types.isNativeError(error) ? error.message : String(error);
  return new MigrationError(
    "MIGRATION",
    `${direction} of migration ${context.name} threw an error: ${message}`,
    {
      migration: context.name,
      cause: error,
    },
  );
}
