import type { Direction } from "../../core/index.ts";
import type { Severity } from "./report.ts";
import type { ScriptStatement } from "./script.ts";

/** A place in the SQL of a migration. */
export interface SqlPlace {
  /** The text that is sent. */
  readonly step: string;
  /** In UTF-16 code units. */
  readonly offset: number;
  /** The whole statement, to show where no file says it. */
  readonly statement?: ScriptStatement;
}

/** A finding before it is known where in the files it is, and whether the file answers it. */
export interface Draft {
  readonly rule: string;
  readonly severity: Severity;
  readonly direction: Direction;
  readonly message: string;
  readonly help: string;
  /** Absent: it is about the migration as a whole. */
  readonly at?: SqlPlace;
}

/** The place of a statement, or of something in it. */
export function placeOf(statement: ScriptStatement, offset = 0): SqlPlace {
  return { step: statement.step, offset: statement.start + offset, statement };
}
