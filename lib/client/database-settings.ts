import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  type ConnectionSettings,
  DATABASE_DEFAULTS,
  MigrationError,
  type TlsSettings,
  type UrlSource,
} from "../core/index.ts";
import { type Address, isLoopback, readHost, readPort, readUrl, type SslMode } from "./url.ts";
import { ADDRESS, type Variables } from "./variables.ts";

export interface DatabaseSettings {
  readonly connection: ConnectionSettings;
  /** True if no variable names a database, so that the defaults are a guess. */
  readonly guessed: boolean;
  /** Where the address is set: `.env`, `the environment`, both, `the defaults`, or the name of another setting. */
  readonly origin: string;
  /** Settings that are not followed to the letter. */
  readonly notes: readonly string[];
  /** The same user on another server or database. Only a server on this machine is reached without TLS unless that is set. */
  connectionTo(place: Pick<ConnectionSettings, "host" | "port" | "database">): ConnectionSettings;
}

type Values = Readonly<Record<string, string>>;

const PARTS = ADDRESS.filter((name) => name !== "DATABASE_URL");

/** Reads `DATABASE_*`, from the environment before `.env`. @throws MigrationError `USAGE` */
export function readDatabaseSettings(variables: Variables, cwd: string): DatabaseSettings {
  const { environment, dotEnv } = variables;
  const names = [environment, dotEnv].flatMap((one) => Object.keys(one));
  const values = merge(variables);
  const url = values["DATABASE_URL"];
  const urlName = "DATABASE_URL";
  const address = url === undefined ? readParts(values) : readUrl(url, urlName);
  const connectionOf = (at: Address): ConnectionSettings => {
    const connection = protect(at, { values, urlName, cwd });
    return url === undefined ? connection : { ...connection, fromUrl: sourceOf(urlName, values) };
  };
  return {
    connection: connectionOf(address),
    connectionTo: ({ host, port, database }) => connectionOf({ ...address, host, port, database }),
    guessed: !names.some((name) => /^(DATABASE_|PG[A-Z])/.test(name)),
    origin: originOf(variables, values),
    notes: stricterNote(values, address.sslMode),
  };
}

/** Where the settings of TLS are. */
interface TlsSources {
  /** Of variables; only those about TLS count. */
  readonly values: Values;
  /** The setting that holds the URL. */
  readonly urlName: string;
  /** Relative paths of certificates start here. */
  readonly cwd: string;
}

/**
 * Reads a URL that is not in `DATABASE_URL`. The variables about TLS count for it too, except that those for a remote server
 * do not apply to this machine. Messages name the setting and never show the URL.
 * @throws MigrationError `USAGE`
 */
export function readUrlSettings(url: string, sources: TlsSources): DatabaseSettings {
  const address = readUrl(url, sources.urlName);
  const valuesAt = (host: string): Values => {
    const isOwn = isLoopback(host) && sources.values["DATABASE_SSL"] === undefined;
    return isOwn ? {} : sources.values;
  };
  const connectionOf = (at: Address): ConnectionSettings => {
    const values = valuesAt(at.host);
    return { ...protect(at, { ...sources, values }), fromUrl: sourceOf(sources.urlName, values) };
  };
  return {
    connection: connectionOf(address),
    connectionTo: ({ host, port, database }) => connectionOf({ ...address, host, port, database }),
    guessed: false,
    origin: sources.urlName,
    notes: stricterNote(valuesAt(address.host), address.sslMode),
  };
}

function sourceOf(name: string, values: Values): UrlSource {
  const ssl = "DATABASE_SSL" in values ? (["ssl"] as const) : [];
  const sslCa = "DATABASE_SSL_CA" in values ? (["sslCa"] as const) : [];
  return { name, overridden: [...ssl, ...sslCa] };
}

function protect({ sslMode, sslRootCert, ...address }: Address, sources: TlsSources): ConnectionSettings {
  const loopback = isLoopback(address.host);
  return { ...address, tls: readTls({ sslMode, sslRootCert, loopback }, sources) };
}

/** URLs of hosted services often have a mode that verifies less than this program does. */
function stricterNote(values: Values, sslMode: Address["sslMode"]): string[] {
  if ("DATABASE_SSL" in values || (sslMode !== "require" && sslMode !== "verify-ca")) return [];
  return [
    `Note: sslmode=${sslMode} is taken for verify-full: the server's certificate and host name are checked.`,
  ];
}

function originOf({ environment, dotEnv, file = ".env" }: Variables, values: Values): string {
  const used = ADDRESS.filter((name) => name in values);
  const fromEnvironment = used.some((name) => name in environment);
  const fromDotEnv = used.some((name) => name in dotEnv && !(name in environment));
  if (fromEnvironment && fromDotEnv) return `the environment and ${file}`;
  if (fromEnvironment) return "the environment";
  return fromDotEnv ? file : "the defaults";
}

/** Merges the variables: a URL in the environment replaces the parts in `.env`. */
function merge({ environment, dotEnv, file = ".env" }: Variables): Values {
  const hasParts = PARTS.some((name) => name in environment);
  if ("DATABASE_URL" in environment && !hasParts) {
    const others = Object.entries(dotEnv).filter(([name]) => !PARTS.includes(name));
    return { ...Object.fromEntries(others), ...environment };
  }
  const merged = { ...dotEnv, ...environment };
  const part = PARTS.find((name) => name in merged);
  if (!("DATABASE_URL" in merged) || part === undefined) return merged;
  const from = (name: string) => (name in environment ? "the environment" : file);
  throw new MigrationError(
    "USAGE",
    `DATABASE_URL (in ${from("DATABASE_URL")}) and ${part} (in ${from(part)}) are both set`,
    { hint: "Keep the URL or the parts, not both." },
  );
}

function readParts(values: Values): Address {
  return {
    host: readHost(values["DATABASE_HOST"] ?? DATABASE_DEFAULTS.host),
    port: readPort(values["DATABASE_PORT"]),
    database: values["DATABASE_NAME"] ?? DATABASE_DEFAULTS.database,
    user: values["DATABASE_USER"] ?? DATABASE_DEFAULTS.user,
    password: values["DATABASE_PASSWORD"] ?? DATABASE_DEFAULTS.password,
  };
}

interface TlsContext {
  /** Of the URL; `DATABASE_SSL` takes precedence. */
  readonly sslMode: SslMode | undefined;
  /** Of the URL; `DATABASE_SSL_CA` takes precedence. */
  readonly sslRootCert: string | undefined;
  readonly loopback: boolean;
}

/** The default is verify-full, except on this machine. @throws MigrationError `USAGE` */
function readTls(
  { sslMode, sslRootCert, loopback }: TlsContext,
  { values, urlName, cwd }: TlsSources,
): TlsSettings {
  const certificates = values["DATABASE_SSL_CA"] ?? sslRootCert;
  // Certificates are set to be verified, also at the local end of a tunnel.
  const defaultMode = loopback && certificates === undefined ? "disable" : "verify-full";
  const mode = values["DATABASE_SSL"] ?? sslMode ?? defaultMode;
  const fromVariable = "DATABASE_SSL" in values;
  const certificateSource = "DATABASE_SSL_CA" in values ? "DATABASE_SSL_CA" : `sslrootcert in ${urlName}`;
  if (mode === "disable") {
    if (certificates === undefined) return { mode: "disable" };
    throw new MigrationError(
      "USAGE",
      `${certificateSource} names certificates, and ${fromVariable ? "DATABASE_SSL=disable" : `sslmode=disable in ${urlName}`} switches TLS off`,
      { hint: "Keep one of the two." },
    );
  }
  if (fromVariable && mode !== "verify-full") {
    throw new MigrationError("USAGE", `DATABASE_SSL must be disable or verify-full, not "${mode}"`, {
      hint: "Modes between the two do not check who answers; with a CA file verify-full works everywhere.",
    });
  }
  if (certificates === undefined) return { mode: "verify-full" };
  return { mode: "verify-full", ca: [readCertificates(certificates, certificateSource, cwd)] };
}

/** @param source the setting that names the file. If it is the URL, the message does not show the path. */
function readCertificates(path: string, source: string, cwd: string): string {
  const bad = (what: string, cause?: unknown) => {
    const hint =
      "It holds certificates in PEM form (-----BEGIN CERTIFICATE-----) of the authorities to trust.";
    const message = `the file named by ${source} ${what}`;
    return source === "DATABASE_SSL_CA"
      ? new MigrationError("USAGE", `${message}: ${path}`, { hint, cause })
      : new MigrationError("USAGE", message, { hint });
  };
  let text: string;
  try {
    text = readFileSync(resolve(cwd, path), "utf8");
  } catch (cause) {
    throw bad("cannot be read", cause);
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw bad("holds no PEM certificate");
  try {
    // Node's TLS ignores certificates that it cannot parse, and then trusts none.
    new X509Certificate(text);
  } catch (cause) {
    throw bad("holds a damaged certificate", cause);
  }
  return text;
}
