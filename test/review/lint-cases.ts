import type { LintReport } from "../../lib/review/lint/index.ts";
import type { FolderOptions } from "./lint-folder.ts";

/** Files, and what lint finds in them. */
export interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly options?: FolderOptions;
  /** `error rule file:line:column`, the place as far as it is known. */
  readonly expected: readonly string[];
}

export function places({ findings }: LintReport): string[] {
  return findings.map(({ severity, rule, file, line, column }) => {
    const place = [file, line, column].filter((part) => part !== undefined).join(":");
    return `${severity} ${rule} ${place}`;
  });
}

/** One SQL file with a down that is right for none of them, and says so. */
export const up = (sql: string): Record<string, string> => ({
  "1_a.sql": `${sql}\n-- Down Migration\nSELECT 1;\n`,
});

export const NO_TRANSACTION = "-- migrate: no-transaction\n";
