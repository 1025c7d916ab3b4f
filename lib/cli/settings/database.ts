import { DATABASE_DEFAULTS, MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../postgres/index.ts";
import { isLoopback, readHost, readPort } from "./address.ts";
import { readTls } from "./tls.ts";
import { type Address, readUrl } from "./url.ts";
import { ADDRESS, type Variables } from "./variables.ts";

export interface DatabaseSettings {
  readonly connection: ConnectionSettings;
  /** True when no variable says anything about a database, so that the defaults are only a guess. */
  readonly guessed: boolean;
  /** Where its address is set, for people: `.env`, `the environment`, both, or `the defaults`. */
  readonly origin: string;
  /** What is done otherwise than the settings say. */
  readonly notes: readonly string[];
}

type Values = Readonly<Record<string, string>>;

const PARTS = ADDRESS.filter((name) => name !== "DATABASE_URL");

/** Reads `DATABASE_*`, from the environment before `.env`. @throws MigrationError `USAGE` */
export function readDatabaseSettings(variables: Variables, cwd: string): DatabaseSettings {
  const names = Object.values(variables).flatMap((values) => Object.keys(values));
  const values = choose(variables);
  const url = values["DATABASE_URL"];
  const { sslMode, sslRootCert, ...address } = url === undefined ? readParts(values) : readUrl(url);
  const loopback = isLoopback(address.host);
  const tls = readTls(values, { sslMode, sslRootCert, loopback }, cwd);
  return {
    connection: { ...address, tls },
    guessed: !names.some((name) => /^(DATABASE_|PG[A-Z])/.test(name)),
    origin: originOf(variables, values),
    notes: stricterNote(values, sslMode),
  };
}

/** Hosted services hand URLs out with modes that check less than is checked here. */
function stricterNote(values: Values, sslMode: Address["sslMode"]): string[] {
  if ("DATABASE_SSL" in values || (sslMode !== "require" && sslMode !== "verify-ca")) return [];
  return [
    `Note: sslmode=${sslMode} is taken for verify-full: the server's certificate and host name are checked.`,
  ];
}

function originOf({ environment, dotEnv }: Variables, values: Values): string {
  const used = ADDRESS.filter((name) => name in values);
  const fromEnvironment = used.some((name) => name in environment);
  const fromDotEnv = used.some((name) => name in dotEnv && !(name in environment));
  if (fromEnvironment && fromDotEnv) return "the environment and .env";
  if (fromEnvironment) return "the environment";
  return fromDotEnv ? ".env" : "the defaults";
}

/** One map of variables; a URL in the environment replaces the parts of a `.env`. */
function choose({ environment, dotEnv }: Variables): Values {
  const hasParts = PARTS.some((name) => name in environment);
  if ("DATABASE_URL" in environment && !hasParts) {
    const others = Object.entries(dotEnv).filter(([name]) => !PARTS.includes(name));
    return { ...Object.fromEntries(others), ...environment };
  }
  const merged = { ...dotEnv, ...environment };
  const part = PARTS.find((name) => name in merged);
  if (!("DATABASE_URL" in merged) || part === undefined) return merged;
  const from = (name: string) => (name in environment ? "the environment" : ".env");
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
