import pg from "pg";
import type { ConnectionSettings, TlsSettings } from "./settings.ts";

export interface ClientOptions {
  /** Shown in `pg_stat_activity`: this is how a waiter learns who holds a lock. */
  readonly applicationName: string;
  /** Milliseconds for the connection attempt. */
  readonly connectTimeoutMs: number;
  /** Milliseconds after which a query without an answer fails. Default: it is waited for. */
  readonly queryTimeoutMs?: number | undefined;
}

/**
 * A client whose every field is ours. pg fills what is empty from `PG*` variables and a password file, so that a
 * forgotten variable could send a migration to another database: nothing is left empty here.
 */
export function createClient(settings: ConnectionSettings, options: ClientOptions): pg.Client {
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    // A function, because pg takes an empty string for "look elsewhere".
    password: () => settings.password,
    ssl: tlsOptions(settings.tls),
    sslnegotiation: "postgres",
    client_encoding: "UTF8",
    application_name: options.applicationName,
    fallback_application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  // `PGBINARY`, `PGREPLICATION` and `PGOPTIONS` have no value that means "not set".
  Reflect.set(client, "binary", false);
  Reflect.set(client, "replication", undefined);
  const parameters: unknown = Reflect.get(client, "connectionParameters");
  if (typeof parameters === "object" && parameters !== null) Reflect.set(parameters, "options", undefined);
  // Without a listener, losing an idle connection would end the process; the next query reports the loss.
  client.on("error", () => {});
  return client;
}

function tlsOptions(tls: TlsSettings): pg.ClientConfig["ssl"] {
  if (tls.mode === "disable") return false;
  return { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: [...tls.ca] }) };
}
