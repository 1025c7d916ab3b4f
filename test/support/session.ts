import { resolveOptions } from "../../lib/core/index.ts";
import { Session } from "../../lib/migrator/connection/session.ts";
import { type Batch, createBatch } from "../../lib/migrator/run/batch.ts";
import type { TestDatabase } from "./database.ts";

/** The engine's own session, and a batch of one migration on it. @param deadline that only the server knows of */
export async function openSession(
  db: TestDatabase,
  deadline?: number,
): Promise<{ readonly session: Session; readonly batch: Batch }> {
  const session = await Session.open({
    connection: db.connection,
    options: resolveOptions({}),
    applicationName: "cdk-pg-migrate test",
    observe: () => {},
    deadline,
  });
  return { session, batch: createBatch(session, { mode: "each", durability: "every", total: 1 }) };
}
