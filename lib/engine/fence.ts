import { MigrationError } from "../core/index.ts";
import { ENGINE_SCOPE, own, type Part, readFailure, type Session } from "../postgres/index.ts";
import { transactionControl } from "../sql/index.ts";

/** Keeps migrations from changing anything outside of the database they run in, such as the roles of its server. */
export interface Fence {
  /** @throws MigrationError for SQL that must not be sent */
  inspect(sql: string): void;
  /** SQL that raises `FENCE_STATE` in a transaction that has changed something outside of its database. */
  readonly proof: string;
  /** The error for a migration that does what it must not. */
  refusal(what: string): MigrationError;
}

/** SQLSTATE that the proof raises; its message says what was changed. */
export const FENCE_STATE = "CPM01";

/** Goes before COMMIT: when it fails, the transaction is rolled back. */
export function proofOf(fence: Fence | undefined): readonly Part[] {
  if (fence === undefined) return [];
  const meaning = (error: MigrationError): MigrationError =>
    error.details.sqlstate === FENCE_STATE ? fence.refusal(error.message) : error;
  // Deferred triggers would run after it.
  const statements = ["SET CONSTRAINTS ALL IMMEDIATE", ...ENGINE_SCOPE, fence.proof];
  return [{ ...own(statements.join("; ")), meaning }];
}

/**
 * Runs a statement of a migration that has no transaction. With a fence it gets one all the same, so that the
 * proof can stop it, unless Postgres insists on none: such statements are those that `inspect` knows by name.
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
