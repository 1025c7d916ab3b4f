import { resolve } from "node:path";
import { readProvenance } from "../client/index.ts";
import { MigrationError, type MigrationSource, type Observer } from "../core/index.ts";
import { Migrator } from "../engine/index.ts";
import { type MigrationFolder, openFolder } from "../folder/index.ts";
import type { ScratchProvider } from "../review/verify/index.ts";
import { type DatabaseFlags, engineOptions, listingOptions } from "./flags.ts";
import { createPrinter, type Printer } from "./output/printer.ts";
import { createProgress } from "./output/progress.ts";
import type { Output, ProcessIo } from "./process-io.ts";
import { adviseOn, chooseScratch, chooseTarget, type Target, type TargetFlags } from "./settings/target.ts";

/** What a command on a database works with. */
export interface DatabaseContext {
  readonly migrator: Migrator;
  readonly target: Target;
  /** For the result. */
  readonly printer: Printer;
  /** For remarks about the work, such as which database it is. */
  readonly remarks: Printer;
}

/** What a command on migrations works with. */
export interface Context extends DatabaseContext {
  readonly source: MigrationFolder;
}

/** Where remarks go: to stderr where stdout is for a program. */
function remarksOf(io: ProcessIo, flags: DatabaseFlags): Output {
  return flags.json ? io.stderr : io.stdout;
}

/** Reads the folder, chooses the database and names it, then does the work. */
export async function withContext<T>(
  io: ProcessIo,
  flags: DatabaseFlags,
  work: (context: Context) => Promise<T>,
  remarksTo = remarksOf(io, flags),
): Promise<T> {
  const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  return withSource(io, flags, { source, remarksTo }, (context) => work({ ...context, source }));
}

/** As `withContext`, for a command that needs no migrations: the folder may be missing. */
export function withDatabase(
  io: ProcessIo,
  flags: DatabaseFlags,
  work: (context: DatabaseContext) => Promise<number>,
): Promise<number> {
  const source = { ...NO_MIGRATIONS, dir: io.cwd };
  return withSource(io, flags, { source, remarksTo: remarksOf(io, flags) }, work);
}

const NO_MIGRATIONS: MigrationSource = {
  entries: [],
  digests: async () => new Map(),
  shorthandNames: async () => [],
  load: async () => new Map(),
  reload: (name) => Promise.reject(new Error(`there is no migration ${name}`)),
};

async function withSource<T>(
  io: ProcessIo,
  flags: DatabaseFlags,
  { source, remarksTo }: { readonly source: LocalSource; readonly remarksTo: Output },
  work: (context: DatabaseContext) => Promise<T>,
): Promise<T> {
  const target = await chooseTarget(io, flags);
  const remarks = createPrinter(io, remarksTo);
  for (const note of target.notes) remarks.line(remarks.colors.dim(note));
  const observe = createProgress(io, remarksTo);
  const migrator = makeMigrator(io, flags, { target, source, observe });
  try {
    return await work({ migrator, target, printer: createPrinter(io, io.stdout), remarks });
  } catch (error) {
    throw error instanceof MigrationError ? adviseOn(error, target, io) : error;
  }
}

/** The source of migrations and the folder whose git commit they have. */
type LocalSource = MigrationSource & { readonly dir: string };

/** Chooses where scratch databases are made, and names the server if it is not the configured one. */
export async function chooseNamedScratch(
  io: ProcessIo,
  flags: TargetFlags,
  remarksTo: Output,
): Promise<ScratchProvider> {
  const { scratch, notes } = await chooseScratch(io, flags);
  const remarks = createPrinter(io, remarksTo);
  for (const note of notes) remarks.line(remarks.colors.dim(note));
  return scratch;
}

interface MigratorParts {
  readonly target: Target;
  readonly source: LocalSource;
  readonly observe?: Observer;
}

/** The engine, with the options of a command and the person who runs it. */
export function makeMigrator(
  io: ProcessIo,
  flags: DatabaseFlags,
  { target, ...parts }: MigratorParts,
): Migrator {
  return new Migrator({
    ...parts,
    connection: target.connection,
    provenance: readProvenance(parts.source.dir),
    options: engineOptions(flags),
    signal: io.signal,
  });
}
