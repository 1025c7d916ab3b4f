import { maskSecrets } from "../../migrator/index.ts";
import type { Draft } from "./draft.ts";
import { fileOf, type ReadMigration } from "./migration.ts";
import { lineAndColumn } from "./offsets.ts";
import type { LintFinding } from "./report.ts";

/** A draft as a finding: with its file, and its line where a file says what is sent. */
export function locateDraft(migration: ReadMigration, { at, ...draft }: Draft): LintFinding {
  const file = fileOf(migration, draft.direction);
  const offset = at === undefined ? undefined : offsetIn(file.text, at);
  const statement = at?.statement === undefined ? undefined : maskSecrets(at.statement.text).trim();
  return {
    rule: draft.rule,
    severity: draft.severity,
    migration: migration.name,
    direction: draft.direction,
    file: file.path,
    ...(offset === undefined ? {} : lineAndColumn(file.text, offset)),
    ...(statement === undefined ? {} : { statement }),
    message: draft.message,
    help: draft.help,
  };
}

/** Where the file says it: the whole text that is sent, or else the one statement, if it is there exactly once. */
function offsetIn(text: string, { step, offset, statement }: NonNullable<Draft["at"]>): number | undefined {
  const whole = onlyIndexOf(text, core(step));
  if (whole !== undefined) return whole + offset - leadingBlanks(step);
  if (statement === undefined) return undefined;
  const { start, text: shown } = statement;
  const own = onlyIndexOf(text, step.slice(start, start + shown.length));
  return own === undefined ? undefined : own + offset - start;
}

/** Without what the builder may have put at its end. */
function core(step: string): string {
  return step.trim().replace(/\s*;$/, "");
}

function leadingBlanks(text: string): number {
  return text.length - text.trimStart().length;
}

function onlyIndexOf(text: string, part: string): number | undefined {
  const first = text.indexOf(part);
  return part === "" || first < 0 || text.includes(part, first + 1) ? undefined : first;
}
