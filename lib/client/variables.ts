import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { errorCode, MigrationError } from "../core/index.ts";

/** Variables by source. Their reader decides which source takes precedence. */
export interface Variables {
  readonly environment: Readonly<Record<string, string>>;
  readonly dotEnv: Readonly<Record<string, string>>;
  /** What messages call the file. @default ".env" */
  readonly file?: string;
}

/** Settings that decide which database a command works on. */
export const ADDRESS = ["URL", "HOST", "PORT", "NAME", "USER", "PASSWORD"].map((part) => `DATABASE_${part}`);

/**
 * Reads the environment and the `.env` of the project, or a named file in its place. Empty values count as not set.
 * @throws MigrationError `USAGE`, also for what would silently select another database: an empty part of the address, or
 * a line of `.env` that only looks like a setting
 */
export function readVariables(
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
  envFile?: string,
): Variables {
  const file = envFile ?? ".env";
  const text = readDotEnv(resolve(cwd, file), file);
  if (text === undefined && envFile !== undefined) throw unreadable(file, `(ENOENT): ${resolve(cwd, file)}`);
  requireAssignments(text ?? "", file);
  const dotEnv = parseEnv(text ?? "");
  requireValues(env, "the environment");
  // The environment takes precedence: what it sets may be empty in .env.
  requireValues(Object.fromEntries(Object.entries(dotEnv).filter(([name]) => !env[name])), file);
  return { environment: withoutEmpty(env), dotEnv: withoutEmpty(dotEnv), file };
}

/** Undefined when there is no such file. */
function readDotEnv(path: string, file: string): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    if (!text.includes("\0")) return text;
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") return undefined;
    if (code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw unreadable(file, `(${code}): ${path}`, cause);
  }
  throw unreadable(file, `as text in UTF-8: ${path}`);
}

function unreadable(file: string, why: string, cause?: unknown): MigrationError {
  return new MigrationError("USAGE", `the file ${file} cannot be read ${why}`, {
    hint: "It must be a file in UTF-8 that this user may read; without one the environment alone counts.",
    cause,
  });
}

function requireAssignments(text: string, file: string): void {
  const lines = text.split(/\r\n|\r|\n/);
  const at = lines.findIndex((line) => /^\s*(export\s+)?DATABASE_\w*\s*(?![\w=\s])/.test(line));
  if (at < 0) return;
  const [name] = /DATABASE_\w*/.exec(lines[at] ?? "") ?? [];
  throw new MigrationError("USAGE", `line ${at + 1} of ${file} names ${name}, but gives it no value`, {
    hint: `Write it as ${name}=value, or take the line out.`,
  });
}

/** An empty value is often a missing secret. The default in its place would be another database. */
function requireValues(variables: Readonly<Record<string, string | undefined>>, place: string): void {
  const name = ADDRESS.find((variable) => variables[variable] === "");
  if (name === undefined) return;
  throw new MigrationError("USAGE", `${name} is set in ${place}, but it is empty`, {
    hint: "Give it a value, or remove it to get the default.",
  });
}

function withoutEmpty(variables: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(variables).flatMap(([name, value]) =>
    typeof value === "string" && value !== "" ? [[name, value] as const] : [],
  );
  return Object.fromEntries(entries);
}
