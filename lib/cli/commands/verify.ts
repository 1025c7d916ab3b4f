import { resolve } from "node:path";
import { createColors } from "picocolors";
import { openFolder } from "../../folder/index.ts";
import {
  type ScratchProvider,
  type VerifiedMigration,
  type VerifyReport,
  verifyMigrations,
} from "../../review/verify/index.ts";
import { defineCommand, toggle } from "../command.ts";
import { chooseNamedScratch } from "../context.ts";
import { DATABASE_FLAGS, type DatabaseFlags, engineOptions, listingOptions } from "../flags.ts";
import { amount, type Colors, createPrinter, duration, printJson, visibleAll } from "../output/printer.ts";
import { createWatch } from "../output/progress.ts";
import { commandLine, EXIT, type Output, type ProcessIo } from "../process-io.ts";

export const verify = defineCommand({
  name: "verify",
  summary: "prove on a scratch database that every migration can be undone",
  input: {},
  flags: { keep: toggle("--keep", "leave the scratch database for a look at it"), ...DATABASE_FLAGS },
  // Exits with 1 when a migration cannot be undone completely, with 3 when one was not checked.
  run: async (io, flags) => {
    const output = flags.json ? io.stderr : io.stdout;
    const remarks = createPrinter(io, output);
    const scratch = await chooseNamedScratch(io, flags, output);
    const report = withHint(await verifyFolder(io, flags, { scratch, output }));
    if (flags.json) printJson(io, "verify", report);
    else for (const line of renderVerify(visibleAll(report), remarks.colors)) remarks.verbatim(line);
    if (report.ok) return EXIT.done;
    return report.migrations.some(({ status }) => status === "failed") ? EXIT.failed : EXIT.workFound;
  },
});

interface VerifyPlace {
  readonly scratch: ScratchProvider;
  /** Where it says what it does meanwhile. */
  readonly output: Output;
}

/** Verifies the folder. */
export async function verifyFolder(
  io: ProcessIo,
  flags: DatabaseFlags & { readonly keep?: boolean | undefined },
  { scratch, output }: VerifyPlace,
): Promise<VerifyReport> {
  const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const remarks = createPrinter(io, output);
  return verifyMigrations({
    scratch,
    source,
    options: engineOptions(flags),
    signal: io.signal,
    keep: flags.keep === true,
    observe: createWatch(io, output),
    onProgress: ({ name, status }) => remarks.line(`  ${remarks.colors.dim(status.padEnd(12))} ${name}`),
  });
}

/** Adds how to check migrations that were stopped because others use the server. */
export function withHint(report: VerifyReport): VerifyReport {
  if (!report.migrations.some(({ status, reason }) => status === "unchecked" && reason !== undefined))
    return report;
  const hint = `Others use this server. ${commandLine("verify", "--local")} runs what was not checked on the embedded Postgres, and SHADOW_DATABASE_URL names a database on another server that is there for this.`;
  return { ...report, hint };
}

/** The lines for a terminal. */
export function renderVerify(report: VerifyReport, colors: Colors = createColors(false)): string[] {
  const { migrations, kept } = report;
  return [
    ...migrations
      .filter(({ status }) => status === "failed")
      .flatMap((migration) => renderFailure(migration, colors)),
    ...migrations
      .filter(({ status }) => status === "irreversible")
      .map(({ name, reason }) => `${colors.yellow("irreversible")} ${name}: ${reason}`),
    ...migrations
      .filter(({ status }) => status === "empty-down")
      .map(({ name }) => `${colors.yellow("empty down")} ${name}: its down does nothing`),
    ...migrations.flatMap(({ name, note }) => (note === undefined ? [] : [colors.dim(`${name}: ${note}`)])),
    ...migrations
      .filter(({ status, reason }) => status === "unchecked" && reason !== undefined)
      .map(({ name, reason }) => `${colors.yellow("not checked")} ${name}: ${reason}`),
    ...(report.hint === undefined ? [] : [report.hint]),
    summary(report, colors),
    ...(kept === undefined
      ? []
      : [`The scratch database was kept: ${kept.database} on ${kept.host}:${kept.port}.`]),
  ];
}

function renderFailure({ name, diff, error }: VerifiedMigration, colors: Colors): string[] {
  return [
    `${colors.red("FAILED")} ${colors.bold(name)}`,
    ...(diff ?? "").split("\n").flatMap((line) => (line === "" ? [] : [`  ${colorLine(line, colors)}`])),
    ...(error === undefined
      ? []
      : [
          `  ${error.step}: ${colors.red(error.code)} ${error.message}`,
          ...(error.hint === undefined ? [] : [`  ${error.hint}`]),
        ]),
    "",
  ];
}

function colorLine(line: string, colors: Colors): string {
  if (/^( {4})?\+/.test(line)) return colors.green(line);
  if (/^( {4})?-/.test(line)) return colors.red(line);
  return /^~/.test(line) ? colors.yellow(line) : line;
}

function summary({ migrations, ok, durationMs }: VerifyReport, colors: Colors): string {
  const count = (status: VerifiedMigration["status"]): number =>
    migrations.filter((migration) => migration.status === status).length;
  const notReached = migrations.filter(
    ({ status, reason }) => status === "unchecked" && reason === undefined,
  ).length;
  const parts = [
    [count("reversible"), "can be undone"],
    [count("irreversible"), "declared irreversible"],
    [count("empty-down"), "with a down that does nothing"],
    [count("failed"), "failed"],
    [count("unchecked") - notReached, "not checked"],
    [notReached, "not reached"],
  ] as const;
  const counts = parts.flatMap(([number, what]) => (number === 0 ? [] : [`${number} ${what}`]));
  const line = `${[amount(migrations.length), ...counts].join(", ")} (${duration(durationMs)}).`;
  return ok ? colors.green(line) : colors.red(line);
}
