import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { errorCode, errorMessage, type Migration, MigrationError, property } from "../../core/index.ts";
import { type MigrationFolder, openFolder } from "../../folder/index.ts";
import { type Squash, squashMigrations } from "../../review/squash/index.ts";
import { defineCommand, text, toggle, type Values } from "../command.ts";
import { chooseNamedScratch } from "../context.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { fileSystemError, writeWhole } from "../output/file-system.ts";
import { amount, createPrinter, listNames, printJson, visibleAll } from "../output/printer.ts";
import { createWatch } from "../output/progress.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";

const SQUASH_FLAGS = {
  to: text("--to <name>", "it and all before it become one"),
  keep: text("--keep <folder>", "move the replaced files there (default: they are deleted)"),
  dryRun: toggle("--dry-run", "make and prove the baseline, print it, write nothing"),
  ...DATABASE_FLAGS,
};

type SquashFlags = Values<typeof SQUASH_FLAGS>;

export const squash = defineCommand({
  name: "squash",
  summary: "replace migrations by one baseline that is proved to do the same",
  input: {},
  flags: SQUASH_FLAGS,
  run: (io, flags) => runSquash(io, flags),
});

async function runSquash(io: ProcessIo, flags: SquashFlags): Promise<number> {
  const { to } = flags;
  if (to === undefined)
    throw new MigrationError("USAGE", "--to is missing", {
      hint: "Name the last migration to replace: it and all before it become one baseline.",
    });
  const dir = resolve(io.cwd, flags.migrationsDir);
  const source = await openFolder(dir, listingOptions(flags));
  const keep = flags.keep === undefined ? undefined : resolve(io.cwd, flags.keep);
  const scratch = await chooseNamedScratch(io, flags, flags.json || flags.dryRun ? io.stderr : io.stdout);
  const result = await squashMigrations({
    scratch,
    source,
    to,
    options: engineOptions(flags),
    signal: io.signal,
    observe: createWatch(io, io.stderr),
  });
  if (!flags.dryRun) {
    if (keep === undefined) await requireCommitted(io, dir, result.replaced);
    await replaceFiles(dir, result, { keep, open: (folder) => openFolder(folder, listingOptions(flags)) });
  }
  if (flags.json) printJson(io, "squash", reportOf(result, flags));
  else if (flags.dryRun) io.stdout.write(result.sql);
  else printResult(io, result, flags.keep);
  return EXIT.done;
}

function reportOf({ name, fileName, replaced, tables, unproved }: Squash, { dryRun, keep }: SquashFlags) {
  const replaces = replaced.map((one) => one.name);
  const written = dryRun !== true;
  return {
    baseline: name,
    file: fileName,
    replaces,
    tables,
    written,
    keep: keep ?? null,
    unproved: unproved ?? null,
  };
}

const NAMES_SHOWN = 20;

function printResult(io: ProcessIo, squashed: Squash, keep: string | undefined): void {
  const { fileName, replaced, tables, unproved } = visibleAll(squashed);
  const printer = createPrinter(io, io.stdout);
  const rows = tables.map((one) => `${one.table} (${one.rows})`);
  printer.line(`Wrote ${fileName} in place of ${amount(replaced.length)}.`);
  printer.line("Proved on scratch databases: it makes the same schema, rows and sequences.");
  if (rows.length > 0) printer.line(`Rows in it: ${listNames(rows, NAMES_SHOWN)}.`);
  if (unproved !== undefined) printer.line(`The later migrations were not run after it: ${unproved}.`);
  printer.line(keep === undefined ? "Deleted:" : `Moved to ${keep}:`);
  for (const file of replaced.flatMap(({ files }) => files)) printer.line(`  ${file}`);
  printer.line("Databases that have all of these record the baseline; new ones run it.");
}

/** A file that is nowhere in git would be lost. */
async function requireCommitted(io: ProcessIo, dir: string, replaced: readonly Migration[]): Promise<void> {
  const files = replaced.flatMap((one) => one.files);
  const status = await git(io, dir, "status", "--porcelain", "--ignored", "-z", "--", ".");
  const tracked = new Set((await git(io, dir, "ls-files", "-z", "--", ".")).split("\0"));
  const lost = files.filter((file) => !tracked.has(file) || isListed(status, file));
  if (lost.length === 0) return;
  throw new MigrationError("USAGE", `${WOULD_BE_DELETED} are not committed: ${listNames(lost, 5)}`, {
    hint: "Commit them first, or name a folder for them with --keep.",
  });
}

const WOULD_BE_DELETED = "the replaced files would be deleted, and";

async function git(io: ProcessIo, dir: string, ...args: readonly string[]): Promise<string> {
  // git translates its messages.
  const env = { ...io.env, LC_ALL: "C" };
  try {
    const options = { cwd: dir, env, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 } as const;
    return (await promisify(execFile)("git", args, options)).stdout;
  } catch (cause) {
    throw new MigrationError("USAGE", `${WOULD_BE_DELETED} ${reasonOf(cause)}`, {
      hint: "Name a folder for them with --keep, or commit them to a git repository first.",
      cause,
    });
  }
}

/** Why git does not say whether files are committed. */
function reasonOf(error: unknown): string {
  if (errorCode(error) === "ENOENT")
    return "git, which would say whether they are committed, is not installed";
  const stderr = String(property(error, "stderr") ?? "").trim();
  if (stderr.includes("not a git repository")) return "are in no git repository";
  return `git does not say whether they are committed: ${stderr.split("\n")[0] || errorMessage(error)}`;
}

/** Whether `git status` has a file as changed; its paths begin at the root of the repository. */
function isListed(status: string, file: string): boolean {
  return status.split("\0").some((line) => line.slice(3) === file || line.endsWith(`/${file}`));
}

interface Replacing {
  readonly keep: string | undefined;
  readonly open: (dir: string) => Promise<MigrationFolder>;
}

/**
 * Writes the baseline, and then deletes what it replaces: after a kill, each replaced file is in the folder, in the folder
 * to keep them, or in git, and the next command names those that are still there.
 */
async function replaceFiles(dir: string, squashed: Squash, { keep, open }: Replacing): Promise<void> {
  const files = squashed.replaced.flatMap((one) => one.files);
  try {
    await requireLoadable(dir, squashed, files, open);
    if (keep !== undefined) await copyAll(files, dir, keep);
    await writeWhole(join(dir, squashed.fileName), squashed.sql);
    for (const file of files) await rm(join(dir, file));
  } catch (error) {
    throw fileSystemError(error) ?? error;
  }
}

/** The later migrations may import a replaced one. The copy is beside the folder, where relative imports lead to the same. */
async function requireLoadable(
  dir: string,
  { name, fileName, sql }: Squash,
  replaced: readonly string[],
  open: Replacing["open"],
): Promise<void> {
  const copy = await mkdtemp(join(dirname(dir), ".squash-"));
  try {
    await cp(dir, copy, { recursive: true });
    for (const file of replaced) await rm(join(copy, file));
    await writeFile(join(copy, fileName), sql, { flag: "wx" });
    const after = await open(copy);
    const names = after.entries.map((one) => one.name);
    await after.digests(names);
    await after.load(names.filter((one) => one !== name));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function copyAll(files: readonly string[], from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const copied: string[] = [];
  try {
    for (const file of files) {
      await copyFile(join(from, file), join(to, file), constants.COPYFILE_EXCL);
      copied.push(join(to, file));
    }
  } catch (error) {
    for (const file of copied) await rm(file);
    throw error;
  }
}
