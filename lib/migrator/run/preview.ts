import { MigrationError, type PlannedMigration } from "../../core/index.ts";
import { buildWithDatabase } from "../build/build.ts";
import { isNotAwaited } from "../build/queries.ts";
import type { Session } from "../connection/session.ts";
import type { BuiltSteps } from "../engine.ts";
import { LiveDb } from "./live-db.ts";
import type { Planned } from "./planned.ts";

/**
 * What the planned migrations would send. The session must be read-only: a dynamic migration is built against the
 * database as it is now, and may not change it.
 */
export async function previewMigrations(
  session: Session,
  planned: readonly Planned[],
): Promise<PlannedMigration[]> {
  const previews: PlannedMigration[] = [];
  for (const next of planned) {
    const dynamic = next.built.kind === "dynamic";
    const built = next.built.kind === "static" ? next.built : await buildReadOnly(session, next);
    previews.push({
      migration: next.name,
      direction: next.direction,
      sql: built?.steps ?? null,
      transactional: built?.transactional ?? null,
      dynamic,
      source: next.source,
    });
  }
  return previews;
}

/** Undefined when the migration cannot be built yet: it reads what an earlier one creates, or writes while building. */
async function buildReadOnly(session: Session, planned: Planned): Promise<BuiltSteps | undefined> {
  const live = new LiveDb(session, { begin: async () => {}, leaveTransaction: async () => {} });
  await session.enterMigration();
  await session.run("BEGIN READ ONLY");
  try {
    return await buildWithDatabase(planned.context, planned.direction, () => live.run(() => true));
  } catch (error) {
    if (isNotAwaited(error)) throw error;
    if (error instanceof MigrationError && (error.code === "SQL" || error.code === "MIGRATION"))
      return undefined;
    throw error;
  } finally {
    await session.rollback();
  }
}
