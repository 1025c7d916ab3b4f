import { resolveOptions } from "../../lib/core/index.ts";
import { Transactions } from "../../lib/engine/transactions.ts";
import { Session } from "../../lib/postgres/session.ts";
import type { TestDatabase } from "./database.ts";

/** The engine's own session, and the transactions of a run on it. @param deadline enforced by the server only */
export async function openSession(
  db: TestDatabase,
  deadline?: number,
): Promise<{ readonly session: Session; readonly transactions: Transactions }> {
  const session = await Session.open({
    connection: db.connection,
    options: resolveOptions({}),
    applicationName: "cdk-pg-migrate test",
    observe: () => {},
    deadline,
  });
  return { session, transactions: new Transactions(session, "each") };
}
