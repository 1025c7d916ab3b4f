import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { MigrationError } from "../../migrator/index.ts";
import { readErrorCode } from "../failure.ts";

/** Variables by where they come from. Which place wins is decided where they are used. */
export interface Variables {
  readonly environment: Readonly<Record<string, string>>;
  readonly dotEnv: Readonly<Record<string, string>>;
}

/** The environment and the project's `.env`; empty values count as not set. */
export function readVariables(env: Readonly<Record<string, string | undefined>>, cwd: string): Variables {
  return { environment: withoutEmpty(env), dotEnv: withoutEmpty(parseEnv(readDotEnv(join(cwd, ".env")))) };
}

function readDotEnv(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = readErrorCode(cause);
    if (code === "ENOENT") return "";
    throw new MigrationError("USAGE", `the file .env cannot be read (${code}): ${path}`, {
      hint: "It must be a file that this user may read; without one the environment alone counts.",
      cause,
    });
  }
}

function withoutEmpty(variables: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(variables).flatMap(([name, value]) =>
    typeof value === "string" && value !== "" ? [[name, value] as const] : [],
  );
  return Object.fromEntries(entries);
}
