import pg from "pg";
import { MigrationError } from "../core/index.ts";
import { type ConnectionSettings, type TlsSettings, whereOf } from "./settings.ts";

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
  if (settings.tls.mode === "disable") refuseToExposePassword(client, settings);
  requireServerProof(client, settings);
  return client;
}

function tlsOptions(tls: TlsSettings): pg.ClientConfig["ssl"] {
  if (tls.mode === "disable") return false;
  return { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: [...tls.ca] }) };
}

/**
 * Without TLS the password goes to nobody who asks for it in a way in which it can be read or guessed. Any process may
 * listen on a port of this machine, so that a loopback address is no exception.
 */
function refuseToExposePassword(client: pg.Client, settings: ConnectionSettings): void {
  const refuse = (exposure: string) => () =>
    giveUp(
      client,
      new MigrationError(
        "TLS_REQUIRED",
        `the server asks for the password ${exposure}, and the connection has no TLS: it was not sent (${whereOf(settings)})`,
        {
          hint: "Is it the right server? Set DATABASE_SSL=verify-full, or let the server ask with scram-sha-256 (in its pg_hba.conf; the password must have been set with password_encryption = 'scram-sha-256').",
        },
      ),
    );
  client.connection.on("authenticationCleartextPassword", refuse("in clear text"));
  client.connection.on("authenticationMD5Password", refuse("as an md5 hash"));
}

/**
 * With SCRAM a server proves that it knows the password too. The driver checks the proof when it comes; a server that
 * says "welcome" without one is refused here.
 */
function requireServerProof(client: pg.Client, settings: ConnectionSettings): void {
  let missing = false;
  client.connection.on("authenticationSASL", () => {
    missing = true;
    if (settings.password === "") giveUp(client, noPassword(settings));
  });
  client.connection.on("authenticationSASLFinal", () => {
    missing = false;
  });
  client.connection.on("authenticationOk", () => {
    if (!missing) return;
    const error = new MigrationError(
      "AUTH",
      `the server asked for the password and did not prove that it knows it (${whereOf(settings)})`,
      { hint: "Something else may answer in place of the server: check DATABASE_HOST and DATABASE_PORT." },
    );
    giveUp(client, error);
  });
}

function noPassword(settings: ConnectionSettings): MigrationError {
  return new MigrationError(
    "AUTH",
    `the server asks for a password, and none is set (${whereOf(settings)})`,
    { hint: "Set DATABASE_PASSWORD, or write it into DATABASE_URL: postgres://user:password@host." },
  );
}

/** Called before the driver's own listener: with its socket closed, that one has nothing left to write to. */
function giveUp(client: pg.Client, error: MigrationError): void {
  client.connection.emit("error", error);
  client.connection.stream.destroy();
}
