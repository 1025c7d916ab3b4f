import { MigrationError, type MigrationSource } from "../../core/index.ts";
import type { Session } from "../connection/session.ts";
import { type DownChoice, type DownFacts, decideDown } from "../plan/down-source.ts";
import type { Planned } from "../run/planned.ts";
import { sqlDigest } from "../sql/digest.ts";
import { isEmptySql } from "../sql/split.ts";
import { type AppliedMigration, readDownSql, type StoredDown } from "../store/read.ts";
import type { Existing, Tables } from "../store/tables.ts";
import { requireTrustedHistory } from "../store/trust.ts";
import { requireNoOtherWriters } from "../store/writers.ts";
import { PlainSql } from "./actions.ts";
import { type BuildContext, buildOrIrreversible, buildWithoutDatabase } from "./build.ts";
import { NoWayDown } from "./irreversible.ts";
import { type LoadOptions, loadContexts } from "./load.ts";
import { findRenamed } from "./renamed.ts";
import { asksForNoTransaction } from "./sections.ts";

export interface DownRequest extends DownChoice {
  readonly names: readonly string[];
  readonly applied: readonly AppliedMigration[];
  readonly existing: Existing;
}

/**
 * Decides for every migration, before any is undone, where its SQL comes from: its file when that agrees with the
 * history, the SQL stored when it was applied when there is no file.
 * @throws MigrationError `MISSING`, `IRREVERSIBLE`, `CHANGED`, `UNTRUSTED_HISTORY`, `MIGRATION`
 */
export async function planDown(
  session: Session,
  tables: Tables,
  source: MigrationSource,
  request: DownRequest,
  options: LoadOptions,
): Promise<Planned[]> {
  const { names, existing } = request;
  if (names.length > 0) await requireNoOtherWriters(session, tables);
  const present = new Set(source.entries.map((entry) => entry.name));
  await refuseRenamed(source, request, present, options);
  const contexts = await loadContexts(
    source,
    names.filter((name) => present.has(name)),
    options,
  );
  const stored = await readDownSql(session, tables, existing, names);
  const planned: Planned[] = [];
  for (const name of names) {
    planned.push(
      await planOne(name, { file: contexts.get(name), stored: stored.get(name), choice: request, options }),
    );
  }
  for (const { name, built } of planned) {
    if (built.kind === "static" && isEmptySql(built.steps))
      options.warn(`the SQL to undo ${name} is empty: nothing is undone but the record of it`);
  }
  if (planned.some((one) => one.source === "history")) await requireTrustedHistory(session, tables);
  return planned;
}

interface Offers {
  readonly file: BuildContext | undefined;
  readonly stored: StoredDown | undefined;
  readonly choice: DownChoice;
  readonly options: LoadOptions;
}

async function planOne(name: string, { file, stored, choice, options }: Offers): Promise<Planned> {
  const fromFile = file === undefined ? "absent" : await buildOrIrreversible(file);
  const facts: DownFacts = {
    file: typeof fromFile === "string" ? fromFile : fromFile.kind,
    history: stored === undefined ? "none" : stored.current ? "stored" : "superseded",
    agree:
      typeof fromFile === "object" &&
      fromFile.kind === "static" &&
      sqlDigest(fromFile.steps) === sqlDigest(stored?.steps ?? []),
  };
  const decision = decideDown(facts, choice);
  if ("refusal" in decision) {
    const { refusal, hint } = decision;
    const said = file?.actions.down instanceof NoWayDown ? file.actions.down.reason : undefined;
    const reason = refusal === "IRREVERSIBLE" ? (said ?? decision.reason) : decision.reason;
    throw new MigrationError(refusal, `migration ${name} cannot be undone: ${reason}`, {
      migration: name,
      hint,
    });
  }
  if (decision.source === "file" && file !== undefined && typeof fromFile === "object") {
    return { name, direction: "down", context: file, built: fromFile, source: "file" };
  }
  if (decision.preferred)
    options.warn(`the down of ${name} was changed: what was recorded when it was applied undoes it`);
  const context = storedContext(name, stored?.steps ?? [], options);
  return {
    name,
    direction: "down",
    context,
    built: await buildWithoutDatabase(context, "down"),
    source: "history",
  };
}

/** Stored SQL takes the way of a file. */
function storedContext(name: string, steps: readonly string[], options: LoadOptions): BuildContext {
  const down = new PlainSql(steps, !asksForNoTransaction(steps[0] ?? ""));
  return { name, actions: { up: undefined, down, shorthands: {} }, shorthands: {}, ...options };
}

/** Undoing a renamed migration would leave its file behind as pending, to be applied again. */
async function refuseRenamed(
  source: MigrationSource,
  request: DownRequest,
  present: ReadonlySet<string>,
  options: LoadOptions,
): Promise<void> {
  if (request.names.every((name) => present.has(name))) return;
  const renamed = await findRenamed(source, request.applied, options);
  for (const name of request.names) {
    const now = renamed.get(name);
    if (now === undefined) continue;
    throw new MigrationError(
      "MISSING",
      `migration ${name} cannot be undone: its file was renamed to ${now}`,
      {
        migration: name,
        hint: `Give the file its name back, ${name}; or record the new one: \`repair ${now}\`.`,
      },
    );
  }
}
