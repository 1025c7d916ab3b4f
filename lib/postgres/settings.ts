import type { ConnectionSettings } from "../core/index.ts";

export type { ConnectionSettings, TlsSettings } from "../core/index.ts";

/** Describes the connection without its password. */
export function whereOf({ user, host, port, database }: ConnectionSettings): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}
