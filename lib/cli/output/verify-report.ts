import { createColors } from "picocolors";
import type { VerifiedMigration, VerifyReport } from "../../review/verify/index.ts";
import { commandLine } from "../world.ts";
import { duration } from "./duration.ts";
import { amount } from "./names.ts";
import type { Colors } from "./printer.ts";

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
