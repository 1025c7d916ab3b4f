/** One session on one server: connect, settings, reset, cancel, failures. */
export { describeSession, presentable, SESSION_COLUMNS, type SessionRow } from "./activity.ts";
export { untilAborted } from "./cancel.ts";
export { type ClientOptions, createClient } from "./client.ts";
export { withDeadline } from "./deadline.ts";
export { readFailure } from "./failure.ts";
export { type FailingStatement, own, type Part } from "./message.ts";
export { asOwnSql } from "./own-sql.ts";
export { closeClient, openClient, sharedBackend } from "./pooler.ts";
export { Session } from "./session.ts";
export { ENGINE_PATH, ENGINE_SCOPE } from "./session-settings.ts";
export type { ConnectionSettings, TlsSettings } from "./settings.ts";
export { ANOTHER_TABLE } from "./sql-error.ts";
