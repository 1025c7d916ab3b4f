import pg from "pg";
import { type ConnectionSettings, given, Hint, MigrationError, type TlsSettings } from "../core/index.ts";

export type { ConnectionSettings, TlsSettings } from "../core/index.ts";

/** Describes the connection without its password. */
export function whereOf({ user, host, port, database }: ConnectionSettings): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

export interface ClientOptions {
  /** Shown in `pg_stat_activity`, where a waiting run finds the lock holder. */
  readonly applicationName: string;
  /** Milliseconds for the connection attempt. */
  readonly connectTimeoutMs: number;
  /** Milliseconds after which a query without an answer fails. @default - no limit */
  readonly queryTimeoutMs?: number | undefined;
}

/**
 * Creates a client with every field set. pg fills empty fields from `PG*` variables and a password file: a forgotten
 * variable could send a migration to another database.
 */
export function createClient(settings: ConnectionSettings, options: ClientOptions): pg.Client {
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    // A function, because for an empty string pg reads the password from elsewhere.
    password: () => settings.password,
    ssl: tlsOptions(settings.tls),
    sslnegotiation: "postgres",
    client_encoding: "UTF8",
    application_name: options.applicationName,
    fallback_application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    ...given({ query_timeout: options.queryTimeoutMs }),
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
 * Refuses to send the password without TLS in a form in which it can be read or guessed. A loopback address is no
 * exception, because any process may listen on a port of this machine.
 */
function refuseToExposePassword(client: pg.Client, settings: ConnectionSettings): void {
  const refuse = (exposure: string) => () =>
    giveUp(
      client,
      new MigrationError(
        "TLS_REQUIRED",
        `the server asks for the password ${exposure}, and the connection has no TLS: it was not sent (${whereOf(settings)})`,
        {
          hint: Hint.of`Is it the right server? Set ${Hint.settingOf(settings, "ssl", "verify-full")}, or let the server ask with scram-sha-256 (in its pg_hba.conf; the password must have been set with password_encryption = 'scram-sha-256').`,
        },
      ),
    );
  client.connection.on("authenticationCleartextPassword", refuse("in clear text"));
  client.connection.on("authenticationMD5Password", refuse("as an md5 hash"));
}

/**
 * With SCRAM the server proves that it knows the password, too. The driver checks the proof if it comes; this refuses a
 * server that accepts the login without a proof.
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
      {
        hint: Hint.of`Something else may answer in place of the server: check ${Hint.settingOf(settings, "host")} and ${Hint.settingOf(settings, "port")}.`,
      },
    );
    giveUp(client, error);
  });
}

function noPassword(settings: ConnectionSettings): MigrationError {
  const variable =
    settings.fromUrl === undefined ? Hint.of`Set ${Hint.setting("password")}, or write` : "Write";
  return new MigrationError(
    "AUTH",
    `the server asks for a password, and none is set (${whereOf(settings)})`,
    { hint: Hint.of`${variable} it into ${Hint.settingOf(settings, "url")}: postgres://user:password@host.` },
  );
}

/** Fails the connection before the driver's listener runs: the socket is closed, so that the driver sends nothing. */
function giveUp(client: pg.Client, error: MigrationError): void {
  client.connection.emit("error", error);
  client.connection.stream.destroy();
}
