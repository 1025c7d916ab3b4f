import { basename } from "node:path";
import {
  type Direction,
  inRunningOrder,
  type LoadedMigration,
  MigrationError,
  type MigrationSource,
  type Observer,
  type RunCode,
  type SqlFile,
} from "../core/index.ts";
import { untilAborted } from "../postgres/index.ts";
import { readHalf, readSections, type Section, tokenize } from "../sql/index.ts";
import { type CheckedBackfill, readBackfill, readHeader, withHeader } from "./backfill.ts";
import { contain } from "./contain.ts";
import { requireDeclared } from "./contracts.ts";
import type { Actions, RenderedSql } from "./node-pg-migrate.ts";

export interface LoadOptions {
  readonly decamelize: boolean;
  readonly warn: (message: string) => void;
  /** Called while code of migrations runs. */
  readonly observe?: Observer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The functions of a migration, or its SQL, with what calling them needs. */
export interface MigrationCode extends LoadOptions {
  readonly name: string;
  readonly actions: Actions;
  /** Shorthands of this migration and of all before it. */
  readonly shorthands: Actions["shorthands"];
  /** Whether its output is dropped, because it is called for the record only. */
  readonly silent?: boolean;
}

/**
 * Loads the named migrations and those whose shorthands they may use. Column shorthands accumulate in running order:
 * a migration sees its own and those of all migrations before it, applied or not.
 */
export async function loadCode(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<Map<string, MigrationCode>> {
  if (names.length === 0) return new Map();
  const requested = new Set(names);
  const sharing = new Set(await source.shorthandNames());
  const loading = source.load([...new Set([...names, ...sharing])], runContained);
  const loaded = await untilAborted(loading, options.signal);
  await requireDeclared(source, loaded);
  const codes = new Map<string, MigrationCode>();
  let shorthands: Actions["shorthands"] = {};
  for (const { name } of inOrder(source)) {
    const migration = loaded.get(name);
    if (migration === undefined) continue;
    const actions = readActions(name, migration);
    shorthands = { ...shorthands, ...actions.shorthands };
    if (requested.has(name)) codes.set(name, { name, actions, shorthands, ...options });
  }
  return codes;
}

/** The code of a migration, evaluated again. */
export async function reloadCode(source: MigrationSource, code: MigrationCode): Promise<MigrationCode> {
  const loaded: LoadedMigration = await source.reload(code.name, runContained);
  const actions = readActions(code.name, loaded);
  return { ...code, actions, shorthands: { ...code.shorthands, ...actions.shorthands } };
}

/** Contains the code of a module that runs when the module is loaded. */
export const runContained: RunCode = (migration, code) => contain({ migration, activity: "load" }, code);

export function inOrder(source: MigrationSource): MigrationSource["entries"] {
  return inRunningOrder(source.entries, ({ fileName }) => fileName);
}

export type Action = (...args: unknown[]) => unknown;

/** How one direction of a migration is to be rendered. */
export interface ChosenAction {
  readonly action: Action;
  readonly mode: "direct" | "inferred";
}

/** The parts of a file that hold the SQL. */
export interface SqlOrigin extends Pick<Section, "ranges"> {
  /** File name without the folder. */
  readonly file: string;
  readonly text: string;
}

/** SQL as text: no code has to run to render it, and node-pg-migrate is not loaded for it. */
export class PlainSql implements RenderedSql {
  readonly steps: readonly string[];
  readonly transactional: boolean;
  /** The file of the SQL; undefined for SQL from the history and of a module. */
  readonly origin: SqlOrigin | undefined;
  readonly backfill: CheckedBackfill | undefined;

  constructor(
    texts: readonly string[],
    transactional: boolean,
    origin?: SqlOrigin,
    backfill?: CheckedBackfill,
  ) {
    this.steps = texts.filter((text) => text.trim() !== "").map(terminated);
    this.transactional = transactional;
    this.origin = origin;
    this.backfill = backfill;
  }
}

/** Ends with a semicolon, as node-pg-migrate ends its SQL. */
function terminated(text: string): string {
  return text.trimEnd().endsWith(";") ? text : `${text};`;
}

/** Reads `up`, `down` and `shorthands` of a loaded migration. */
export function readActions(name: string, loaded: LoadedMigration): Actions {
  const actions = withoutDown(exportedActions(name, loaded));
  const reason = irreversibleReason(loaded);
  return reason === undefined ? actions : { ...actions, down: new NoWayDown(reason) };
}

/** A backfill without a way down has nothing to undo: the column that it fills goes with the migration that made it. */
function withoutDown(actions: Actions): Actions {
  const { up, down } = actions;
  const isBackfill = up instanceof PlainSql && up.backfill !== undefined;
  const isOpen = down === undefined || (down instanceof NoWayDown && down.reason === undefined);
  return isBackfill && isOpen ? { ...actions, down: new PlainSql([], true) } : actions;
}

function exportedActions(name: string, loaded: LoadedMigration): Actions {
  if (loaded.kind === "module") return moduleActions(name, loaded.exports);
  if (loaded.kind === "pair") {
    const { up, down } = loaded;
    return {
      up: plainSql(name, up, readHalf(up, "up")),
      down: down ? plainSql(name, down, readHalf(down, "down")) : new NoWayDown(),
      shorthands: {},
    };
  }
  const { file } = loaded;
  const { up, down } = readSections(file);
  return {
    up: plainSql(name, file, up),
    down: down ? plainSql(name, file, down) : new NoWayDown(),
    shorthands: {},
  };
}

function plainSql(name: string, file: SqlFile, { text, transactional, ranges, backfill }: Section): PlainSql {
  const origin = { file: basename(file.path), text: file.text, ranges };
  return new PlainSql([text], transactional, origin, backfill && readHeader(name, text, backfill));
}

function moduleActions(name: string, exported: unknown): Actions {
  if (typeof exported !== "object" || exported === null)
    return { up: undefined, down: undefined, shorthands: {} };
  const read = (key: string): unknown => Reflect.get(exported, key);
  const shorthands = read("shorthands");
  return {
    up: read("backfill") === undefined ? read("up") : exportedBackfill(name, read("up"), read("backfill")),
    down: read("down"),
    shorthands: typeof shorthands === "object" && shorthands !== null ? { ...shorthands } : {},
  };
}

function exportedBackfill(migration: string, up: unknown, backfill: unknown): PlainSql {
  if (up !== undefined) {
    const hint = "What changes the schema is a migration of its own, before the backfill.";
    throw new MigrationError("MIGRATION", `migration ${migration} exports both up and backfill`, {
      migration,
      hint,
    });
  }
  const checked = readBackfill(migration, backfill);
  return new PlainSql([withHeader(checked)], false, undefined, checked);
}

/**
 * Chooses what to call for one direction. A migration without `down` is undone by the reverse of its `up`.
 * @throws MigrationError `IRREVERSIBLE` for one that cannot be undone, `MIGRATION` when there is nothing to call
 */
export function chooseAction(name: string, actions: Actions, direction: Direction): ChosenAction | PlainSql {
  const inferred = direction === "down" && actions.down === undefined;
  const action = inferred || direction === "up" ? actions.up : actions.down;
  if (action instanceof PlainSql) return action;
  if (isAction(action)) return { action, mode: inferred ? "inferred" : "direct" };
  if (action instanceof NoWayDown && direction === "down") {
    const { reason = "it has no way down" } = action;
    throw new MigrationError("IRREVERSIBLE", `migration ${name} cannot be undone: ${reason}`, {
      migration: name,
      hint: `Add a down section or function to it, or write a new migration that undoes it. A file says why it cannot be undone: ${HOW_TO_DECLARE}.`,
    });
  }
  const wrong =
    action === undefined
      ? `exports no function "${direction}"`
      : `must export a function "${direction}", and exports ${String(action)}`;
  const orBackfill = direction === "up" ? ", or export const backfill = { key, statement }" : "";
  throw new MigrationError("MIGRATION", `migration ${name} ${wrong}`, {
    migration: name,
    hint: `Export async function ${direction}(pgm) { … } from it${orBackfill}.`,
  });
}

function isAction(value: unknown): value is Action {
  return typeof value === "function";
}

/** Stands in place of `down` in a migration that cannot be undone. */
export class NoWayDown {
  /** The reason in the file; undefined when it gives none. */
  readonly reason: string | undefined;

  constructor(reason?: string) {
    this.reason = reason;
  }
}

/** How a file declares that it cannot be undone, for hints. */
export const HOW_TO_DECLARE =
  'export const irreversible = "the reason", in SQL the comment -- irreversible: the reason';

/**
 * The reason why a migration cannot be undone: `export const irreversible = "…"`, in SQL `-- irreversible: …`.
 * `export const down = false` declares the same without a reason.
 */
export function irreversibleReason(loaded: LoadedMigration): string | undefined {
  if (loaded.kind === "module") return exportedReason(loaded.exports);
  const files = loaded.kind === "sql" ? [loaded.file] : [loaded.up, loaded.down];
  return files.map((file) => commentedReason(file?.text ?? "")).find((reason) => reason !== undefined);
}

function exportedReason(exports: unknown): string | undefined {
  if (typeof exports !== "object" || exports === null) return undefined;
  const reason: unknown = Reflect.get(exports, "irreversible");
  if (typeof reason === "string" && reason.trim() !== "") return reason.trim();
  return Reflect.get(exports, "down") === false ? "its file says down = false" : undefined;
}

const COMMENT = /^--[ \t]*irreversible:[ \t]*(\S.*?)\s*$/i;

function commentedReason(sql: string): string | undefined {
  if (!/--[ \t]*irreversible:/i.test(sql)) return undefined;
  const comments = tokenize(sql).filter(({ kind }) => kind === "comment");
  return comments
    .map(({ start, end }) => COMMENT.exec(sql.slice(start, end))?.[1])
    .find((reason) => reason !== undefined);
}
