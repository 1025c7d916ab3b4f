import type { BackgroundState, SessionInfo } from "../core/index.ts";
import { type ProgressRow, progressIn, type Session, selectProgress } from "../postgres/index.ts";
import { readRecord } from "./concurrent.ts";
import type { DatabaseState } from "./database-state.ts";

/**
 * What has become of the concurrent statements at which migrations have stopped, by migration.
 * @param holder of the migration lock, which the session of such a statement holds to its end
 */
export async function readBackground(
  session: Session,
  { stored, resumable }: Pick<DatabaseState, "stored" | "resumable">,
  holder: SessionInfo | null,
): Promise<ReadonlyMap<string, BackgroundState>> {
  const states = new Map<string, BackgroundState>();
  for (const { name, progress } of stored.partial) {
    const found = resumable.has(name) ? readRecord(progress)?.session : undefined;
    if (found === undefined) continue;
    const running = holder?.pid === found.pid;
    states.set(name, {
      ...found,
      running,
      progress: running ? await readProgress(session, found.pid) : null,
    });
  }
  return states;
}

/** How far the session has come with an index; null for any other statement. */
export async function readProgress(session: Session, pid: number): Promise<BackgroundState["progress"]> {
  const [row] = await session.rows<ProgressRow>(selectProgress(pid));
  return progressIn(row) ?? null;
}
