import { MigrationError } from "../../core/index.ts";

/** What the parameters of a `DATABASE_URL` say that counts here. */
export interface UrlParameters {
  /** One that is supported, as it stands in the URL. */
  readonly sslMode?: SslMode | undefined;
  /** Path of a file with certificates; undefined for those that Node.js trusts. */
  readonly sslRootCert?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly connectTimeoutMs?: number | undefined;
}

export type SslMode = "disable" | "require" | "verify-ca" | "verify-full";

/** Modes of libpq that check who answers, or switch TLS off; the others are content without TLS when there is none. */
const SSL_MODES: readonly SslMode[] = ["disable", "require", "verify-ca", "verify-full"];

/** Parameters that change nothing here: labels, what a pool of connections needs, and what is done anyway. */
const WITHOUT_EFFECT: readonly string[] = [
  "application_name",
  "fallback_application_name",
  "channel_binding",
  "connection_limit",
  "gssencmode",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "pool_timeout",
  "sslcompression",
  "sslsni",
  "target_session_attrs",
  "tcp_user_timeout",
  "uselibpqcompat",
];

/** Parameters that people paste and that would change something, with what to do in their place. */
const REFUSED: Readonly<Record<string, string>> = {
  options: "session settings are the engine's own; --schema sets the search path",
  schema: "--schema names the schema",
  currentSchema: "--schema names the schema",
  search_path: "--schema sets the search path",
  pgbouncer: "it marks a pooler in transaction mode; take the URL for a direct connection",
  ssl: "sslmode says whether TLS is used",
  sslcert: "client certificates are not supported",
  sslkey: "client certificates are not supported",
  sslpassword: "client certificates are not supported",
  sslnegotiation: "TLS is negotiated in the usual way only",
  user: "the user stands before the host: postgres://user:password@host",
  password: "the password stands before the host: postgres://user:password@host",
  dbname: "the database is the path: postgres://host/database",
  service: "service files are not read",
  passfile: "password files are not read",
};

/**
 * Reads the parameters. Only names that are known are shown, and no value: in a URL with a special character in its
 * password a part of the password looks like a parameter.
 * @throws MigrationError `USAGE`
 */
export function readUrlParameters(parameters: URLSearchParams): UrlParameters {
  const names = [...parameters.keys()];
  const refused = names.find((name) => Object.hasOwn(REFUSED, name));
  if (refused !== undefined) {
    throw bad(`has the parameter ${refused}, which is not supported: ${REFUSED[refused]}`);
  }
  const known = ["sslmode", "sslrootcert", "host", "port", "connect_timeout", ...WITHOUT_EFFECT];
  if (names.some((name) => !known.includes(name))) {
    throw bad("has a parameter that is not known (a ? in a password must be written %3F)");
  }
  const twice = known.find((name) => parameters.getAll(name).length > 1);
  if (twice !== undefined) throw bad(`has the parameter ${twice} twice`);
  const value = (name: string) => parameters.get(name) || undefined;
  const certificates = value("sslrootcert");
  return {
    sslMode: readSslMode(value("sslmode")),
    sslRootCert: certificates === "system" ? undefined : certificates,
    host: value("host"),
    port: value("port"),
    connectTimeoutMs: readTimeout(value("connect_timeout")),
  };
}

function readSslMode(text: string | undefined): SslMode | undefined {
  if (text === undefined) return undefined;
  const mode = SSL_MODES.find((one) => one === text);
  if (mode !== undefined) return mode;
  throw new MigrationError("USAGE", `sslmode in DATABASE_URL must be one of ${SSL_MODES.join(", ")}`, {
    hint: "allow and prefer would go on without TLS when the server offers none. The others check the certificate and the host name.",
  });
}

/** Seconds; 0 and less mean the usual limit, because an attempt without a limit may never end. */
function readTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds > 3600) {
    throw bad("has a connect_timeout that is not a number of seconds up to 3600");
  }
  return seconds <= 0 ? undefined : seconds * 1000;
}

/** The error for a URL that cannot be used. It never shows a part of the URL, which holds the password. */
export function bad(what: string): MigrationError {
  return new MigrationError("USAGE", `DATABASE_URL ${what}`, {
    hint: "It has the form postgres://user:password@host:5432/database",
  });
}
