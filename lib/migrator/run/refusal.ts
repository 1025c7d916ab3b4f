import { MigrationError } from "../../core/index.ts";
import { firstTransactionControl, mayLeaveResidue } from "../sql/classify.ts";
import { splitStatements } from "../sql/split.ts";

/**
 * Whether SQL outside a transaction was refused without having done anything: it is atomic, or the server refused it
 * before it began to run.
 */
export function isCleanRefusal(error: unknown, sql: string): boolean {
  if (!(error instanceof MigrationError)) return false;
  if (error.code !== "SQL" && error.code !== "LOCK_TIMEOUT") return false;
  if (splitStatements(sql).length > 1)
    return firstTransactionControl(sql) === undefined && !mayLeaveResidue(sql);
  return !mayLeaveResidue(sql) || isRefusedBeforeItRuns(error);
}

/**
 * Syntax, names, rights, what is not supported or not possible there: the server says so before a statement starts to
 * work. The same codes may come out of code that the statement runs, which has a context.
 */
function isRefusedBeforeItRuns({ details: { sqlstate = "", context } }: MigrationError): boolean {
  return context === undefined && /^(42|3F|3D|0A|25)/.test(sqlstate);
}
