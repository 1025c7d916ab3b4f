import { readFileSync } from "node:fs";
import { errorMessage, type Migration, MigrationError, property, type RunCode } from "../../core/index.ts";
import { mayImportLocalFiles } from "../source-text.ts";
import { compileModules } from "./compile.ts";
import { plainExports } from "./exports.ts";
import { modulesOf } from "./imports.ts";
import { type CompiledModule, compiledModule, placeModule } from "./place.ts";
import type { ModuleFile } from "./plugin.ts";

/** One module of a folder, evaluated. */
export interface LoadedModule {
  readonly kind: "module";
  readonly path: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const freely: RunCode = (_migration, code) => code();

/** Compiles and evaluates modules; helpers that several of them import are evaluated once, as in Node. */
export interface ModuleLoader {
  load(entries: readonly Migration[], run?: RunCode): Promise<ReadonlyMap<string, LoadedModule>>;
  /** A new evaluation of the module and of all it imports from the project. */
  reload(entry: Migration, run?: RunCode): Promise<LoadedModule>;
}

/** Modules that were compiled together, and which copy of them a migration was last taken from. */
interface Copies {
  readonly compiled: CompiledModule;
  readonly latest: number;
}

interface Part {
  readonly modules: readonly ModuleFile[];
  readonly compiled: CompiledModule;
}

/** Fewer would take longer; more would use more memory. */
const LARGEST_PART = 250;

type Compile = (modules: readonly ModuleFile[]) => Promise<CompiledModule>;

export function createModuleLoader(dir: string, cacheDir: string): ModuleLoader {
  const loaded = new Map<string, Copies>();
  const compile: Compile = async (modules) => compiledModule(cacheDir, await compileModules(dir, modules));
  const load = async (entries: readonly Migration[], run = freely) => {
    const results = new Map<string, LoadedModule>();
    for await (const { compiled, modules } of compileParts(modulesOf(dir, entries), compile)) {
      const evaluated = await evaluate(await importFirst(compiled, modules, compile, run), modules, run);
      for (const [name, result] of evaluated) results.set(name, result);
      for (const { name } of modules) loaded.set(name, { compiled, latest: 0 });
    }
    return results;
  };
  const reload = async (entry: Migration, run = freely) => {
    const modules = modulesOf(dir, [entry]);
    const known = loaded.get(entry.name);
    const compiled = known?.compiled ?? (await compile(modules));
    const latest = (known?.latest ?? 0) + 1;
    loaded.set(entry.name, { compiled, latest });
    // The second copy of everything serves the first reload of each of its modules.
    const results = await evaluate(await importCopy(placeModule(compiled), latest, run), modules, run);
    const result = results.get(entry.name);
    if (result === undefined) throw new TypeError(`compiled migrations lack ${entry.name}`);
    return result;
  };
  return { load, reload };
}

/**
 * Compiles many modules in parts, each while the part before it is evaluated. Modules that import local files stay in
 * one part, because a file that two of them import must be evaluated once.
 */
async function* compileParts(modules: readonly ModuleFile[], compile: Compile): AsyncGenerator<Part> {
  const whole = async () => ({ modules, compiled: await compile(modules) });
  if (modules.length <= LARGEST_PART || modules.some(mayShareFiles)) return yield whole();
  const partAt = async (at: number): Promise<Part> => {
    const part = modules.slice(at, at + LARGEST_PART);
    return { modules: part, compiled: await compile(part) };
  };
  let next = partAt(0);
  for (let at = LARGEST_PART; at < modules.length + LARGEST_PART; at += LARGEST_PART) {
    let part: Part;
    try {
      part = await next;
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== "MIGRATION") throw error;
      // Compiling everything reports every file that does not compile.
      return yield whole();
    }
    if (at < modules.length) next = partAt(at);
    // Nothing awaits it if evaluating this part fails.
    next.catch(() => {});
    yield part;
  }
}

function mayShareFiles({ path }: ModuleFile): boolean {
  try {
    return mayImportLocalFiles(readFileSync(path, "utf8"));
  } catch {
    // Compiling it reports why it cannot be read.
    return true;
  }
}

async function importFirst(
  compiled: CompiledModule,
  modules: readonly ModuleFile[],
  compile: Compile,
  run: RunCode,
): Promise<unknown> {
  const url = placeModule(compiled);
  try {
    return await importCopy(url, 0, run);
  } catch (cause) {
    // A package failed before any migration was reached: only the code of one migration tells whose it is.
    throw loadError(await findCulprit(modules, compile, run), cause);
  }
}

/** Halves the modules until one is left whose code cannot be imported; undefined where it now can. */
async function findCulprit(
  modules: readonly ModuleFile[],
  compile: Compile,
  run: RunCode,
): Promise<ModuleFile | undefined> {
  const middle = Math.ceil(modules.length / 2);
  const front = modules.slice(0, middle);
  const url = placeModule(await compile(front));
  const failed = await importCopy(url, 0, run).then(
    () => false,
    () => true,
  );
  if (modules.length === 1) return failed ? front[0] : undefined;
  return findCulprit(failed ? front : modules.slice(middle), compile, run);
}

async function importCopy(url: string, copy: number, run: RunCode): Promise<unknown> {
  const namespace: unknown = await run(undefined, () => import(copy === 0 ? url : `${url}?copy=${copy}`));
  return property(namespace, "migrations");
}

/** One after another, in the order asked for: a module may count on what those before it set up. */
async function evaluate(
  migrations: unknown,
  modules: readonly ModuleFile[],
  run: RunCode,
): Promise<ReadonlyMap<string, LoadedModule>> {
  if (!isFactories(migrations)) throw new TypeError("compiled migrations export no map");
  const results = new Map<string, LoadedModule>();
  for (const module of modules) {
    try {
      const namespace = await run(module.name, async () => migrations.get(module.name)?.());
      results.set(module.name, { kind: "module", path: module.path, exports: plainExports(namespace) });
    } catch (cause) {
      throw loadError(module, cause);
    }
  }
  return results;
}

function isFactories(value: unknown): value is ReadonlyMap<string, () => Promise<unknown>> {
  return typeof property(value, "get") === "function";
}

function loadError(module: ModuleFile | undefined, cause: unknown): MigrationError {
  const refused = cause instanceof MigrationError ? cause : undefined;
  // A refusal of the engine that names its migration says more than that the file throws.
  if (refused?.details.migration !== undefined) return refused;
  const message = errorMessage(cause);
  const what = module === undefined ? "a migration" : module.path;
  return new MigrationError("MIGRATION", `${what} throws when it is loaded: ${message}`, {
    problems: module === undefined ? [] : [{ file: module.path, message }],
    hint:
      refused?.details.hint ??
      "move its statements into up and down: what stands outside them runs whenever the file is loaded",
    cause,
  });
}
