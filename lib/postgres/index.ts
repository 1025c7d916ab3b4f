/** One session on one server: connect, settings, reset, cancel, failures. */
export { describeSession, presentable, SESSION_COLUMNS, type SessionRow } from "./activity.ts";
export { timeIsUp, untilAborted, withDeadline } from "./cancel.ts";
export { type ClientOptions, type ConnectionSettings, createClient, type TlsSettings } from "./client.ts";
export type { Concurrent } from "./connection.ts";
export { readFailure } from "./failure.ts";
export { type FailingStatement, own, type Part } from "./message.ts";
export { inTheWay, type MigrationLock, releaseMigrationLock, takeMigrationLock } from "./migration-lock.ts";
export { closeClient, openClient, sharedBackend } from "./pooler.ts";
export { describeProgress, type ProgressRow, progressIn, selectProgress } from "./progress.ts";
export { Session } from "./session.ts";
export { ENGINE_PATH, ENGINE_SCOPE, migrationPath } from "./session-settings.ts";
export { ANOTHER_TABLE, asOwnSql } from "./sql-error.ts";
export type { OnProgress } from "./statement-watch.ts";
