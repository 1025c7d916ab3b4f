import { basename } from "node:path";
import { type Direction, type LoadedMigration, MigrationError, type SqlFile } from "../../core/index.ts";
import type { Actions, BuiltSteps } from "../engine.ts";
import { HOW_TO_DECLARE, irreversibleReason, NoWayDown } from "./irreversible.ts";
import { readHalf, readSections, type Section } from "./sections.ts";

export type Action = (...args: unknown[]) => unknown;

/** How one direction of a migration is to be built. */
export interface Recipe {
  readonly action: Action;
  readonly mode: "direct" | "inferred";
}

/** The parts of a file that SQL was taken from. */
export interface SqlOrigin extends Pick<Section, "ranges"> {
  /** Name of the file, without the folder. */
  readonly file: string;
  readonly text: string;
}

/** SQL that is known as it is: nothing has to be called for it, and node-pg-migrate need not be loaded. */
export class PlainSql implements BuiltSteps {
  readonly steps: readonly string[];
  readonly transactional: boolean;
  /** Where the SQL comes from; undefined when it was stored. */
  readonly origin: SqlOrigin | undefined;

  constructor(texts: readonly string[], transactional: boolean, origin?: SqlOrigin) {
    this.steps = texts.filter((text) => text.trim() !== "").map(terminated);
    this.transactional = transactional;
    this.origin = origin;
  }
}

/** As node-pg-migrate ends what it is given. */
function terminated(text: string): string {
  return text.trimEnd().endsWith(";") ? text : `${text};`;
}

/** Takes up, down and shorthands out of what was loaded. */
export function readActions(loaded: LoadedMigration): Actions {
  const actions = exportedActions(loaded);
  const reason = irreversibleReason(loaded);
  return reason === undefined ? actions : { ...actions, down: new NoWayDown(reason) };
}

function exportedActions(loaded: LoadedMigration): Actions {
  if (loaded.kind === "module") return moduleActions(loaded.exports);
  if (loaded.kind === "pair") {
    const { up, down } = loaded;
    return {
      up: plainSql(up, readHalf(up, "up")),
      down: down ? plainSql(down, readHalf(down, "down")) : new NoWayDown(),
      shorthands: {},
    };
  }
  const { file } = loaded;
  const { up, down } = readSections(file);
  return { up: plainSql(file, up), down: down ? plainSql(file, down) : new NoWayDown(), shorthands: {} };
}

function plainSql(file: SqlFile, { text, transactional, ranges }: Section): PlainSql {
  return new PlainSql([text], transactional, { file: basename(file.path), text: file.text, ranges });
}

function moduleActions(exported: unknown): Actions {
  if (typeof exported !== "object" || exported === null)
    return { up: undefined, down: undefined, shorthands: {} };
  const read = (key: string): unknown => Reflect.get(exported, key);
  const shorthands = read("shorthands");
  return {
    up: read("up"),
    down: read("down"),
    shorthands: typeof shorthands === "object" && shorthands !== null ? { ...shorthands } : {},
  };
}

/**
 * How to build one direction. A migration without `down` is undone by the reverse of its `up`.
 * @throws MigrationError `IRREVERSIBLE` for one that has no way down, `MIGRATION` when there is nothing to call
 */
export function chooseRecipe(name: string, actions: Actions, direction: Direction): Recipe | PlainSql {
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
  const shown = action === undefined ? "nothing" : String(action);
  throw new MigrationError(
    "MIGRATION",
    `migration ${name} must export a function "${direction}", and exports ${shown}`,
    {
      migration: name,
      hint: `Export async function ${direction}(pgm) { … } from it.`,
    },
  );
}

function isAction(value: unknown): value is Action {
  return typeof value === "function";
}
