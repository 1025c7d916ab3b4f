import { Session } from "../../lib/migrator/connection/session.ts";
import { resolveOptions } from "../../lib/migrator/options.ts";
import { type Batch, createBatch } from "../../lib/migrator/run/batch.ts";
import type { TestDatabase } from "./database.ts";

/** The engine's own session, and a batch of so many migrations on it. */
export async function openSession(
  db: TestDatabase,
  total: number,
): Promise<{ readonly session: Session; readonly batch: Batch }> {
  const session = await Session.open({
    connection: db.connection,
    options: resolveOptions({}),
    applicationName: "cdk-pg-migrate test",
    observe: () => {},
  });
  return { session, batch: createBatch(session, { mode: "each", durability: "every", total }) };
}
