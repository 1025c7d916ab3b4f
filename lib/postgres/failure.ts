import { type ErrorCode, given, Hint, MigrationError } from "../core/index.ts";
import { type ConnectionSettings, whereOf } from "./client.ts";

/** The fields of an error of pg or Node, read without its class, because test sandboxes have other classes. */
export interface Failure {
  readonly message: string;
  /** A SQLSTATE, or Node's error code such as `ECONNREFUSED`. */
  readonly code?: string;
  readonly fromServer: boolean;
  readonly detail?: string;
  readonly hint?: string;
  /** The call stack in the server. */
  readonly context?: string;
  /** The schema of the table that it is about. */
  readonly schema?: string;
  /** Name of the function in the server that reported it, the same in every language. */
  readonly routine?: string;
  readonly position?: number;
  /** SQL that the server ran inside the statement, such as the body of a function, and the position in it. */
  readonly inner?: { readonly query: string; readonly position: number };
}

export function readFailure(error: unknown): Failure {
  if (typeof error !== "object" || error === null) return { message: String(error), fromServer: false };
  const text = (key: string): string | undefined => {
    const value: unknown = Reflect.get(error, key);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [code, detail, hint, position] = [text("code"), text("detail"), text("hint"), text("position")];
  const context = text("where");
  const [routine, schema] = [text("routine"), text("schema")];
  return {
    message: text("message") ?? firstInnerMessage(error) ?? code ?? "unknown error",
    fromServer: text("severity") !== undefined,
    ...given({ code, detail, hint, context, routine, schema }),
    ...(position === undefined ? {} : { position: Number(position) }),
    ...readInner(text("internalQuery"), text("internalPosition")),
  };
}

function readInner(query: string | undefined, position: string | undefined): Pick<Failure, "inner"> {
  return query === undefined || position === undefined
    ? {}
    : { inner: { query, position: Number(position) } };
}

/** Node reports a host with several addresses as an AggregateError without a message of its own. */
function firstInnerMessage(error: object): string | undefined {
  const inner: unknown = Reflect.get(error, "errors");
  if (!Array.isArray(inner) || inner.length === 0) return undefined;
  return readFailure(inner[0]).message;
}

/** True for an answer that says the server will accept connections soon. */
export function isStarting(error: unknown): boolean {
  return readFailure(error).code === "57P03";
}

/**
 * Whether another session changed the same row of the catalogs at the same time, as when two runs say `CREATE SCHEMA IF NOT
 * EXISTS`: the server looks first and writes later. The second attempt sees what the other session did. (Internal errors
 * have no SQLSTATE of their own and are not translated.)
 */
export function isCatalogRace({ code, message, schema }: Failure): boolean {
  if (code === "XX000") return /^tuple concurrently (?:updated|deleted)$/.test(message);
  return code === "23505" && schema === "pg_catalog";
}

/** SQLSTATEs of a server that shuts down, has crashed, or is full for the moment. */
const TRANSIENT_STATES = ["57P01", "57P02", "53300"];
const TRANSIENT_CODES =
  /^(?:ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)$/;

/**
 * True for errors of a server that is created, fails over, restarts or resumes and will be there within minutes; false for
 * refusals of the server. A new instance has no host name at first.
 */
export function isOutOfReach(error: unknown): boolean {
  const { code = "", message, fromServer } = readFailure(error);
  if (fromServer) return TRANSIENT_STATES.includes(code);
  return TRANSIENT_CODES.test(code) || /timeout|terminated unexpectedly/i.test(message);
}

/** Node's codes for a host without a network path. */
const UNREACHABLE = ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL"];

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH|INVALID_CA/;

/** The typed error for a connection that could not be made. Names everything but the password. */
export function connectionError(error: unknown, settings: ConnectionSettings): MigrationError {
  if (error instanceof MigrationError) return error;
  const failure = readFailure(error);
  const [code, what, hint] = diagnose(failure, settings);
  return new MigrationError(code, `${what} (${whereOf(settings)})`, {
    hint,
    cause: error,
    ...(failure.fromServer && failure.code !== undefined ? { sqlstate: failure.code } : {}),
  });
}

type Diagnosis = readonly [code: ErrorCode, what: string, hint: string | Hint];

function diagnose(failure: Failure, settings: ConnectionSettings): Diagnosis {
  return failure.fromServer ? refusedByServer(failure, settings) : notReached(failure, settings);
}

function refusedByServer(failure: Failure, settings: ConnectionSettings): Diagnosis {
  const { code, message } = failure;
  if (code === "57P03") {
    return [
      "STARTING",
      `the server is still not ready: ${message}`,
      "Try again, or look at the server's log.",
    ];
  }
  if (code === "3D000") {
    const hint = Hint.of`Check ${Hint.settingOf(settings, "name")}, or create the database first.`;
    return ["DATABASE_NOT_FOUND", `database "${settings.database}" does not exist`, hint];
  }
  if (settings.tls.mode === "disable" && hasNoRule(failure)) {
    return [
      "TLS_REQUIRED",
      `the server refuses connections without TLS: ${message}`,
      Hint.of`Set ${Hint.settingOf(settings, "ssl", "verify-full")}. When that does not help, the server's pg_hba.conf has no rule for this user from here.`,
    ];
  }
  if (code === "28P01" || code === "28000") {
    const hint = Hint.of`Check ${Hint.settingOf(settings, "user")} and ${Hint.settingOf(settings, "password")} (or the secret they come from).`;
    return ["AUTH", `the server rejected user "${settings.user}": ${message}`, hint];
  }
  if (code === "53300") {
    return [
      "CONNECTION",
      `the server has no connection left: ${message}`,
      "Close some connections, then try again.",
    ];
  }
  return [
    "CONNECTION",
    `the server refused the connection: ${message}`,
    "Look at the server's log for the reason.",
  ];
}

/**
 * Whether `pg_hba.conf` has no rule for such a connection. The message is in the language of the server, so the name of
 * the server's function is checked too: it differs for a role that does not exist or may not log in.
 */
function hasNoRule({ code, message, routine }: Failure): boolean {
  if (code !== "28000") return false;
  return routine === "ClientAuthentication" || /no encryption|SSL off/i.test(message);
}

function notReached({ code = "", message }: Failure, settings: ConnectionSettings): Diagnosis {
  if (/does not support SSL/.test(message)) {
    const hint = Hint.of`Switch TLS on in the server, or set ${Hint.settingOf(settings, "ssl", "disable")} when the network is private.`;
    return ["TLS_UNAVAILABLE", "the server does not offer TLS", hint];
  }
  if (UNTRUSTED.test(code)) {
    const hint =
      code === "ERR_TLS_CERT_ALTNAME_INVALID"
        ? "Connect with the host name the certificate was issued for."
        : Hint.of`Set ${Hint.settingOf(settings, "sslCa")} to the file with the certificate authority's certificate.`;
    return ["TLS_UNTRUSTED", `the server's certificate is not trusted: ${message}`, hint];
  }
  const [host, port] = [settings.host, settings.port];
  if (code === "ECONNREFUSED") {
    return [
      "CONNECTION",
      "connection refused",
      `Is Postgres running on ${host}, and listening on port ${port}?`,
    ];
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return [
      "CONNECTION",
      `host name "${host}" cannot be resolved`,
      Hint.of`Check ${Hint.settingOf(settings, "host")}.`,
    ];
  }
  if (code === "ETIMEDOUT" || /timeout/i.test(message)) {
    const hint = Hint.of`Check ${Hint.settingOf(settings, "host")}, ${Hint.settingOf(settings, "port")}, and that a firewall lets this machine reach ${host}:${port}.`;
    return ["CONNECTION", "no answer in time", hint];
  }
  if (UNREACHABLE.includes(code)) {
    const hint = Hint.of`Is ${Hint.settingOf(settings, "host")} right, and does this machine have a way there (VPN, IPv6)? Postgres is looked for on port ${port}.`;
    return ["CONNECTION", `no network path to host "${host}" (${code})`, hint];
  }
  if (code === "ENOENT" || code === "ENOTDIR") {
    const hint = Hint.of`Is the server running? ${Hint.settingOf(settings, "host")} names the folder of its socket.`;
    return ["CONNECTION", `there is no socket of a server in ${host} for port ${port}`, hint];
  }
  const hint = `Check that a Postgres server answers on ${host}:${port}.`;
  if (["ECONNRESET", "EPIPE"].includes(code) || /terminated unexpectedly/.test(message)) {
    return ["CONNECTION", "the other side closed the connection before the session began", hint];
  }
  return ["CONNECTION", `the connection failed: ${message}`, hint];
}
