import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import * as v from "valibot";
import { errorMessage, type Migration, MigrationError } from "../../core/index.ts";
import { type MigrationFolder, openFolder } from "../../folder/index.ts";
import { type Squash, squashMigrations } from "../../review/squash/index.ts";
import { defineCommand, text, toggle, type Values } from "../command.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { fileSystemError } from "../output/file-system.ts";
import { amount, createPrinter, listNames, printJson, visibleAll } from "../output/printer.ts";
import { createWatch } from "../output/progress.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";
import { chooseScratch } from "../settings/target.ts";

const SQUASH_FLAGS = {
  to: { ...v.exactOptional(v.string()), written: "--to <name>", meaning: "it and all before it become one" },
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
  const remarks = createPrinter(io, flags.json || flags.dryRun ? io.stderr : io.stdout);
  const { scratch, notes } = await chooseScratch(io, flags);
  for (const note of notes) remarks.line(remarks.colors.dim(note));
  const result = await squashMigrations({
    scratch,
    source,
    to,
    options: engineOptions(flags),
    signal: io.signal,
    observe: createWatch(io, io.stderr),
  });
  if (!flags.dryRun) {
    if (keep === undefined) await requireCommitted(dir, result.replaced);
    await replaceFiles(source, result, { keep, reopen: () => openFolder(dir, listingOptions(flags)) });
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
async function requireCommitted(dir: string, replaced: readonly Migration[]): Promise<void> {
  const files = replaced.flatMap((one) => one.files);
  const git = (...args: string[]) =>
    promisify(execFile)("git", args, { cwd: dir, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const hint = "Commit them first, or name a folder for them with --keep.";
  try {
    const { stdout } = await git("status", "--porcelain", "--ignored", "-z", "--", ".");
    const { stdout: tracked } = await git("ls-files", "-z", "--", ".");
    const known = new Set(tracked.split("\0"));
    const lost = files.filter((file) => !known.has(file) || isListed(stdout, file));
    if (lost.length === 0) return;
    const message = `the replaced files would be deleted, and are not committed: ${listNames(lost, 5)}`;
    throw new MigrationError("USAGE", message, { hint });
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    const message = `the replaced files would be deleted, and git does not have them: ${errorMessage(error)}`;
    throw new MigrationError("USAGE", message, { hint, cause: error });
  }
}

/** Whether `git status` has a file as changed; its paths begin at the root of the repository. */
function isListed(status: string, file: string): boolean {
  return status.split("\0").some((line) => line.slice(3) === file || line.endsWith(`/${file}`));
}

interface Replacing {
  readonly keep: string | undefined;
  readonly reopen: () => Promise<MigrationFolder>;
}

/**
 * Writes the baseline and takes the replaced files away. They are moved aside first: if the later migrations cannot be
 * loaded without them, because they import one of them, everything is put back.
 */
async function replaceFiles(
  folder: MigrationFolder,
  squashed: Squash,
  { keep, reopen }: Replacing,
): Promise<void> {
  const { dir } = folder;
  const aside = join(dir, `.squash-${randomBytes(4).toString("hex")}`);
  const file = join(dir, squashed.fileName);
  const files = squashed.replaced.flatMap((one) => one.files);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    await mkdir(aside);
    undo.push(() => rm(aside, { recursive: true }));
    for (const name of files) {
      await rename(join(dir, name), join(aside, name));
      undo.push(() => rename(join(aside, name), join(dir, name)));
    }
    await writeFile(file, squashed.sql, { flag: "wx" });
    undo.push(() => rm(file));
    const after = await reopen();
    const later = after.entries.filter(({ name }) => name !== squashed.name).map(({ name }) => name);
    await after.digests(after.entries.map(({ name }) => name));
    await after.load(later);
    if (keep === undefined) await rm(aside, { recursive: true });
    else await moveAll(files, aside, keep);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw fileSystemError(error) ?? error;
  }
}

async function moveAll(files: readonly string[], from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of files) await copyFile(join(from, name), join(to, name), constants.COPYFILE_EXCL);
  await rm(from, { recursive: true });
}
