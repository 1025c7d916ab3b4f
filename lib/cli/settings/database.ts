import { isIP } from "node:net";
import { type ConnectionSettings, MigrationError } from "../../migrator/index.ts";
import { DATABASE_DEFAULTS } from "../defaults.ts";
import { readTls } from "./tls.ts";
import { type Address, readUrl } from "./url.ts";
import { ADDRESS, type Variables } from "./variables.ts";

export interface DatabaseSettings {
  readonly connection: ConnectionSettings;
  /** True when no variable says anything about a database, so that the defaults are only a guess. */
  readonly guessed: boolean;
  /** Where its address is set, for people: `.env`, `the environment`, both, or `the defaults`. */
  readonly origin: string;
}

type Values = Readonly<Record<string, string>>;

const PARTS = ADDRESS.filter((name) => name !== "DATABASE_URL");

/** Reads `DATABASE_*`, from the environment before `.env`. @throws MigrationError `USAGE` */
export function readDatabaseSettings(variables: Variables, cwd: string): DatabaseSettings {
  const names = Object.values(variables).flatMap((values) => Object.keys(values));
  const values = choose(variables);
  const url = values["DATABASE_URL"];
  const { sslMode, ...address } = url === undefined ? readParts(values) : readUrl(url);
  const tls = readTls(values, { sslMode, loopback: isLoopback(address.host) }, cwd);
  return {
    connection: { ...address, tls },
    guessed: !names.some((name) => /^(DATABASE_|PG[A-Z])/.test(name)),
    origin: originOf(variables, values),
  };
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
    host: values["DATABASE_HOST"] ?? DATABASE_DEFAULTS.host,
    port: readPort(values["DATABASE_PORT"]),
    database: values["DATABASE_NAME"] ?? DATABASE_DEFAULTS.database,
    user: values["DATABASE_USER"] ?? DATABASE_DEFAULTS.user,
    password: values["DATABASE_PASSWORD"] ?? DATABASE_DEFAULTS.password,
  };
}

function readPort(text: string | undefined): number {
  if (text === undefined) return DATABASE_DEFAULTS.port;
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new MigrationError("USAGE", `DATABASE_PORT must be a number from 1 to 65535, not "${text}"`);
}

export function isLoopback(host: string): boolean {
  if (host === "localhost" || host.startsWith("/")) return true;
  return isIP(host) === 4 ? host.startsWith("127.") : host === "::1";
}
