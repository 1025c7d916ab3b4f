import { resolve } from "node:path";
import { MigrationError, type MigrationSource } from "../../core/index.ts";
import { Migrator } from "../../engine/index.ts";
import { type MigrationFolder, openFolder, type ReadFolderOptions } from "../../folder/index.ts";
import { type DatabaseFlags, engineOptions, listingOptions } from "../flags.ts";
import { createPrinter, type Printer } from "../output/printer.ts";
import { createProgress } from "../output/progress.ts";
import { readProvenance } from "../provenance.ts";
import { adviseOn } from "../settings/advise.ts";
import { chooseTarget, type Target } from "../settings/target.ts";
import type { Output, World } from "../world.ts";

/** What a command works with that needs the database alone. */
export interface DatabaseContext {
  readonly migrator: Migrator;
  readonly target: Target;
  /** For the result. */
  readonly printer: Printer;
  /** For remarks about the work. */
  readonly remarks: Printer;
}

/** What a command works with once the flags and settings are read. */
export interface Context extends DatabaseContext {
  readonly source: MigrationFolder;
}

interface ContextOptions {
  /** With stderr, stdout holds nothing but what the command itself writes. */
  readonly remarksTo: Output;
}

/** Reads the folder, chooses the database and says which when it is not the configured one, then does the work. */
export async function withContext(
  world: World,
  flags: DatabaseFlags,
  options: ContextOptions,
  work: (context: Context) => Promise<number>,
): Promise<number> {
  const source = await openSource(resolve(world.cwd, flags.migrationsDir), listingOptions(flags));
  return withSource(world, flags, { ...options, source }, (context) => work({ ...context, source }));
}

/** As `withContext`, for a command that needs no migration: the folder may be missing. */
export function withDatabaseAlone(
  world: World,
  flags: DatabaseFlags,
  options: ContextOptions,
  work: (context: DatabaseContext) => Promise<number>,
): Promise<number> {
  const source = { ...NO_MIGRATIONS, dir: world.cwd };
  return withSource(world, flags, { ...options, source }, work);
}

const NO_MIGRATIONS: MigrationSource = {
  entries: [],
  digests: async () => new Map(),
  shorthandNames: async () => [],
  load: async () => new Map(),
  reload: (name) => Promise.reject(new Error(`there is no migration ${name}`)),
};

async function withSource(
  world: World,
  flags: DatabaseFlags,
  { remarksTo, source }: ContextOptions & { readonly source: MigrationSource & { readonly dir: string } },
  work: (context: DatabaseContext) => Promise<number>,
): Promise<number> {
  const target = await chooseTarget(world, flags);
  const remarks = createPrinter(world, remarksTo);
  for (const note of target.notes) remarks.line(remarks.colors.dim(note));
  const migrator = new Migrator({
    connection: target.connection,
    source,
    provenance: readProvenance(source.dir),
    options: engineOptions(flags),
    observe: createProgress(world, remarksTo),
    signal: world.signal,
  });
  try {
    return await work({ migrator, target, printer: createPrinter(world, world.stdout), remarks });
  } catch (error) {
    throw error instanceof MigrationError ? adviseOn(error, target, world) : error;
  }
}

/** Loads of so many migrations are followed by a run of them, not by other loads. */
const MANY = 100;

/** A folder whose compiler does not keep its memory while many migrations run. */
async function openSource(dir: string, options: ReadFolderOptions): Promise<MigrationFolder> {
  const folder = await openFolder(dir, options);
  return {
    ...folder,
    load: async (names, run) => {
      const loaded = await folder.load(names, run);
      if (names.length > MANY) await folder.endCompiler();
      return loaded;
    },
  };
}
