import { createHash } from "node:crypto";
import { readFileSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { errorMessage, type Migration, MigrationError, property, type RunCode } from "../core/index.ts";
import { sweep, writeAtomically } from "./cache-dir.ts";
import { compileModules, modulesOf } from "./compile.ts";
import { plainExports } from "./exports.ts";
import type { ModuleFile } from "./migrations-plugin.ts";
import { mayImportLocalFiles } from "./source-text.ts";

/** A module of a folder, evaluated. */
export interface LoadedModule {
  readonly kind: "module";
  readonly path: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const runDirectly: RunCode = (_migration, code) => code();

/** Compiles and evaluates modules; helpers that several of them import are evaluated once, as in Node. */
export interface ModuleLoader {
  load(migrations: readonly Migration[], run?: RunCode): Promise<ReadonlyMap<string, LoadedModule>>;
  /** Evaluates a module again, with all it imports from the project. */
  reload(migration: Migration, run?: RunCode): Promise<LoadedModule>;
}

/** How often the compiled module that a migration is in has been evaluated. */
interface Copies {
  readonly compiled: CompiledModule;
  readonly latest: number;
}

interface Part {
  readonly modules: readonly ModuleFile[];
  readonly compiled: CompiledModule;
}

/** Modules that are compiled together, at most: more take more memory, fewer take longer. */
const MAX_PART = 250;

type Compile = (modules: readonly ModuleFile[]) => Promise<CompiledModule>;

export function createModuleLoader(dir: string, cacheDir: string): ModuleLoader {
  const copies = new Map<string, Copies>();
  const compile: Compile = async (modules) => compiledModule(cacheDir, await compileModules(dir, modules));
  const load = async (migrations: readonly Migration[], run = runDirectly) => {
    const results = new Map<string, LoadedModule>();
    for await (const { compiled, modules } of compileParts(modulesOf(dir, migrations), compile)) {
      const evaluated = await evaluate(await importFirst(compiled, modules, compile, run), modules, run);
      for (const [name, result] of evaluated) results.set(name, result);
      for (const { name } of modules) copies.set(name, { compiled, latest: 0 });
    }
    return results;
  };
  const reload = async (migration: Migration, run = runDirectly) => {
    const modules = modulesOf(dir, [migration]);
    const last = copies.get(migration.name);
    const compiled = last?.compiled ?? (await compile(modules));
    const latest = (last?.latest ?? 0) + 1;
    copies.set(migration.name, { compiled, latest });
    // The first reloads of all migrations in a compiled module share its second copy.
    const results = await evaluate(await importCopy(placeModule(compiled), latest, run), modules, run);
    const result = results.get(migration.name);
    if (result === undefined) throw new TypeError(`compiled migrations lack ${migration.name}`);
    return result;
  };
  return { load, reload };
}

/**
 * Compiles many modules in parts, each while the part before it is evaluated. Modules that may import local files stay
 * in one part, because a file that two of them import must be evaluated once.
 */
async function* compileParts(modules: readonly ModuleFile[], compile: Compile): AsyncGenerator<Part> {
  const whole = async () => ({ modules, compiled: await compile(modules) });
  if (modules.length <= MAX_PART || modules.some(mayShareFiles)) return yield whole();
  const partAt = async (at: number): Promise<Part> => {
    const part = modules.slice(at, at + MAX_PART);
    return { modules: part, compiled: await compile(part) };
  };
  let next = partAt(0);
  for (let at = MAX_PART; at < modules.length + MAX_PART; at += MAX_PART) {
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
    // A package threw before any migration was evaluated; only compiling migrations alone shows which one imports it.
    throw loadError(await findCulprit(modules, compile, run), cause);
  }
}

/** Bisects the modules for one whose compiled code cannot be imported; undefined if none fails now. */
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

/** Sequentially and in the given order: a module may rely on what earlier ones set up. */
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
  // An engine's error that names its migration says more than that the file throws.
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

/** Far longer than any process takes between writing a compiled module and importing it. */
const UNUSED_AFTER_MS = 60 * 60 * 1000;

/** Compiled code and its path in the cache. */
export interface CompiledModule {
  readonly code: string;
  readonly path: string;
}

/** Named by a hash of its code, so that concurrent processes can only write the same file. */
export function compiledModule(cacheDir: string, code: string): CompiledModule {
  const name = createHash("sha256").update(code).digest("hex").slice(0, 32);
  return { code, path: join(cacheDir, "compiled", `${name}.mjs`) };
}

/** Writes the module if it is missing, and returns its URL. Removes modules that were not used lately. */
export function placeModule({ code, path }: CompiledModule): string {
  if (!keepExisting(path, code)) writeModule(path, code);
  return pathToFileURL(path).href;
}

function writeModule(path: string, code: string): void {
  try {
    writeAtomically(path, code);
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch (cause) {
    const hint = "give another folder for the cache, or make room in this one";
    throw new MigrationError("FILE_SYSTEM", `cannot write compiled migrations: ${errorMessage(cause)}`, {
      hint,
      cause,
    });
  }
}

/** Protects the file from other processes' sweeps. False if it is missing, truncated by a crash, or modified. */
function keepExisting(path: string, code: string): boolean {
  try {
    if (readFileSync(path, "utf8") !== code) return false;
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}
