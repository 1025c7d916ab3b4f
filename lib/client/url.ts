import { isIP } from "node:net";
import { type ConnectionSettings, DATABASE_DEFAULTS, given, MigrationError } from "../core/index.ts";

/**
 * A host as it is set: a name, an address (IPv6 with or without brackets) or the folder of a socket.
 * @throws MigrationError `USAGE`
 */
export function readHost(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) !== 0 || bare.startsWith("/")) return bare;
  // The value is not shown: a URL in the wrong variable contains a password.
  if (/[@/?#]/.test(bare)) {
    throw new MigrationError("USAGE", "DATABASE_HOST holds more than a host name", {
      hint: "A whole URL goes into DATABASE_URL.",
    });
  }
  const withPort = /^(.+):(\d+)$/.exec(bare);
  if (withPort !== null) {
    const [, host, port] = withPort;
    throw new MigrationError("USAGE", `DATABASE_HOST holds a port: "${bare}"`, {
      hint: `Set DATABASE_HOST=${host} and DATABASE_PORT=${port}.`,
    });
  }
  return bare;
}

export function readPort(text: string | undefined): number {
  if (text === undefined || text === "") return DATABASE_DEFAULTS.port;
  if (isPort(text)) return Number(text);
  throw new MigrationError("USAGE", `DATABASE_PORT must be a number from 1 to 65535, not "${text}"`, {
    hint: `Without it, the port is ${DATABASE_DEFAULTS.port}.`,
  });
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

export function isLoopback(host: string): boolean {
  if (host === "localhost" || host.startsWith("/")) return true;
  const version = isIP(host);
  if (version === 6) return isIpv6Loopback(host);
  return version === 4 && host.startsWith("127.");
}

/** `::1` in all its spellings, and the IPv4-mapped loopback addresses. */
function isIpv6Loopback(address: string): boolean {
  // An address with a zone is not allowed in a URL, and is no loopback address.
  if (!URL.canParse(`http://[${address}]`)) return false;
  return /^\[(::1|::ffff:7f[0-9a-f]{2}:[0-9a-f]+)\]$/.test(new URL(`http://[${address}]`).hostname);
}

/** The parameters of a URL that have an effect. */
interface UrlParameters {
  /** As in the URL. */
  readonly sslMode?: SslMode | undefined;
  /** Path of a file with certificates; undefined for those that Node.js trusts. */
  readonly sslRootCert?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly connectTimeoutMs?: number | undefined;
}

export type SslMode = "disable" | "require" | "verify-ca" | "verify-full";

/** The supported modes of libpq. The other ones go on without TLS if the server has none. */
const SSL_MODES: readonly SslMode[] = ["disable", "require", "verify-ca", "verify-full"];

/** Parameters that change nothing here: labels, settings of connection pools, and what is always done. */
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

/** Parameters that would change something but are not supported, each with the alternative. */
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
 * Messages show only the names of known parameters, and no value: with a special character in the password, a part of
 * the password looks like a parameter.
 * @throws MigrationError `USAGE`
 */
function readUrlParameters(parameters: URLSearchParams, name: string): UrlParameters {
  const names = [...parameters.keys()];
  const refused = names.find((one) => Object.hasOwn(REFUSED, one));
  if (refused !== undefined) {
    throw invalidUrl(name, `has the parameter ${refused}, which is not supported: ${REFUSED[refused]}`);
  }
  const supported = ["sslmode", "sslrootcert", "host", "port", "connect_timeout", ...WITHOUT_EFFECT];
  if (names.some((one) => !supported.includes(one))) {
    throw invalidUrl(name, "has a parameter that is not known (a ? in a password must be written %3F)");
  }
  const repeated = supported.find((one) => parameters.getAll(one).length > 1);
  if (repeated !== undefined) throw invalidUrl(name, `has the parameter ${repeated} twice`);
  const value = (parameter: string) => parameters.get(parameter) || undefined;
  const certificates = value("sslrootcert");
  return {
    sslMode: readSslMode(value("sslmode"), name),
    sslRootCert: certificates === "system" ? undefined : certificates,
    host: value("host"),
    port: value("port"),
    connectTimeoutMs: readTimeout(value("connect_timeout"), name),
  };
}

function readSslMode(text: string | undefined, name: string): SslMode | undefined {
  if (text === undefined) return undefined;
  const mode = SSL_MODES.find((supported) => supported === text);
  if (mode !== undefined) return mode;
  throw new MigrationError("USAGE", `sslmode in ${name} must be one of ${SSL_MODES.join(", ")}`, {
    hint: "allow and prefer would go on without TLS when the server offers none. The others check the certificate and the host name.",
  });
}

/** Seconds. 0 and less mean the default limit: an attempt without a limit may never end. */
function readTimeout(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds > 3600) {
    throw invalidUrl(name, "has a connect_timeout that is not a number of seconds up to 3600");
  }
  return seconds <= 0 ? undefined : seconds * 1000;
}

/** The message never shows a part of the URL, which contains the password. */
function invalidUrl(name: string, what: string): MigrationError {
  return new MigrationError("USAGE", `${name} ${what}`, {
    hint: "It has the form postgres://user:password@host:5432/database",
  });
}

export interface Address
  extends Omit<ConnectionSettings, "tls">,
    Pick<UrlParameters, "sslMode" | "sslRootCert"> {}

/**
 * Parses a URL of a database.
 * @param name of the setting that holds it, for messages
 * @throws MigrationError `USAGE`
 */
export function readUrl(text: string, name: string): Address {
  if (!/^postgres(ql)?:\/\//.test(text)) throw invalidUrl(name, "must begin with postgres://");
  if (!URL.canParse(text)) {
    throw invalidUrl(
      name,
      "cannot be read as a URL; characters such as / ? # @ % in the password must be percent-encoded, and an IPv6 address stands in brackets",
    );
  }
  const url = new URL(text);
  // After a / ? or # in the password, its rest is a path, a parameter or a fragment. None of them may be shown.
  if (/@|\/./.test(url.pathname.slice(1)) || url.search.includes("@")) {
    throw invalidUrl(
      name,
      "has a / ? or @ where it cannot be; in a password they must be written %2F %3F %40",
    );
  }
  if (url.hash !== "") throw invalidUrl(name, "holds a #; in a password it must be written %23");
  if (url.port === "0") throw invalidUrl(name, "has port 0; it must be a number from 1 to 65535");
  const { host, port, connectTimeoutMs, ...tls } = readUrlParameters(url.searchParams, name);
  if (port !== undefined && !isPort(port))
    throw invalidUrl(name, "has a port that is not a number from 1 to 65535");
  if (url.hostname.includes(",")) throw invalidUrl(name, "names several hosts; name one");
  if ((host !== undefined && url.hostname !== "") || (port !== undefined && url.port !== "")) {
    throw invalidUrl(name, "names the host or the port twice");
  }
  const address = host ?? decode(url.hostname, name);
  // `user:1/rest of the password`: without an @, the user is taken for a host.
  if (url.username === "" && address !== "" && !isLoopback(readHost(address)))
    throw invalidUrl(name, "names no user");
  return {
    host: address === "" ? DATABASE_DEFAULTS.host : readHost(address),
    port: readPort(port ?? url.port),
    database: decode(url.pathname.slice(1), name) || DATABASE_DEFAULTS.database,
    user: decode(url.username, name) || DATABASE_DEFAULTS.user,
    password: decode(url.password, name),
    ...given({ connectTimeoutMs }),
    ...tls,
  };
}

function decode(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Without the cause: no part of the URL may reach a log.
    throw invalidUrl(name, "holds a % that begins no valid escape; a % itself is written %25");
  }
}
