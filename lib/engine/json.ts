import type { MigrationError, PlanReport } from "../core/index.ts";
import { maskSecrets } from "../sql/index.ts";

/** The one object that tells what a command did: what the CLI prints with `--json` and a Lambda answers. */
export function resultAsJson(command: string, report: object) {
  return { ok: true, command, ...report } as const;
}

/** The one object for a command that failed. Statements in errors have their passwords masked already. */
export function errorAsJson(error: MigrationError) {
  const { cause: _, ...details } = error.details;
  return { ok: false, error: { code: error.code, message: error.message, ...details } } as const;
}

/** A plan to be shown: passwords in its SQL are masked. */
export function maskedPlan(report: PlanReport): PlanReport {
  return {
    ...report,
    steps: report.steps.map((step) => ({ ...step, sql: step.sql?.map(maskSecrets) ?? null })),
  };
}
