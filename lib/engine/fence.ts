import { MigrationError } from "../core/index.ts";
import { ENGINE_SCOPE, own, type Part, readFailure, type Session } from "../postgres/index.ts";
import { transactionControl } from "../sql/index.ts";

/** Keeps migrations from changing anything outside their database, such as the roles of the server. */
export interface Fence {
  /** @throws MigrationError for SQL that must not be sent */
  inspect(sql: string): void;
  /** SQL that raises `FENCE_STATE` in a transaction that has changed something outside its database. */
  readonly proof: string;
  /** The error for a migration that the fence stops. */
  refusal(what: string): MigrationError;
}

/** SQLSTATE of the error that the proof raises. Its message names what was changed. */
export const FENCE_STATE = "CPM01";

/** The check before COMMIT. When it fails, the transaction is rolled back. */
export function proofOf(fence: Fence | undefined): readonly Part[] {
  if (fence === undefined) return [];
  const meaning = (error: MigrationError): MigrationError =>
    error.details.sqlstate === FENCE_STATE ? fence.refusal(error.message) : error;
  // Deferred triggers would otherwise run after the check.
  const statements = ["SET CONSTRAINTS ALL IMMEDIATE", ...ENGINE_SCOPE, fence.proof];
  return [{ ...own(statements.join("; ")), meaning }];
}

/**
 * Runs a statement of a migration without a transaction. With a fence it runs in one nevertheless, so that the check can
 * roll it back, unless Postgres refuses that: `inspect` knows such statements by name.
 */
export async function fenced<T>(
  session: Session,
  fence: Fence | undefined,
  text: string,
  run: () => Promise<T>,
): Promise<T> {
  if (fence === undefined) return run();
  fence.inspect(text);
  const control = transactionControl(text);
  if (control !== undefined || session.transactionStatus !== "I") {
    if (control === "commit") await session.runTogether("", proofOf(fence));
    return run();
  }
  try {
    await session.run("BEGIN");
    const result = await run();
    await session.runTogether("", [...proofOf(fence), own("COMMIT")]);
    return result;
  } catch (error) {
    await session.rollback();
    const sqlstate = error instanceof MigrationError ? error.details.sqlstate : readFailure(error).code;
    if (sqlstate === INVALID_TRANSACTION_TERMINATION) throw fence.refusal("code that commits by itself");
    if (sqlstate !== ACTIVE_TRANSACTION) throw error;
    return run();
  }
}

/** "… cannot run inside a transaction block". */
const ACTIVE_TRANSACTION = "25001";

/** COMMIT or ROLLBACK in a DO block or procedure that is called inside a transaction. */
const INVALID_TRANSACTION_TERMINATION = "2D000";
