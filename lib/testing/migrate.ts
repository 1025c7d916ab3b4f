import { spawn } from "node:child_process";
import { once } from "node:events";
import { devNull } from "node:os";
import { text } from "node:stream/consumers";
import * as v from "valibot";
import { type ErrorCode, flagOf, given, isErrorCode, MigrationError } from "../core/index.ts";
import { nearest } from "../folder/index.ts";
import { ENGINE_OPTIONS, type TemplateOptions } from "./options.ts";
import { explained } from "./server.ts";

/**
 * Applies the folder to a database, in a process of its own: inside a test runner, modules are loaded in another way, and
 * timers may be replaced.
 * @throws MigrationError as `up` has it, with everything in its message, because test runners show nothing else
 */
export async function migrate(url: string, dir: string, options: TemplateOptions): Promise<void> {
  const child = spawn(process.execPath, [program(), "up", "--json", "-m", dir, ...flagsOf(options)], {
    env: environmentOf(url),
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const [code] = await once(child, "close");
  if (code !== 0) throw failure(await stdout, await stderr);
}

/** The command line of this package, which is above the sources and above what is built of them. */
function program(): string {
  const path = nearest(import.meta.dirname, "bin/cdk-pg-migrate.mjs");
  if (path === undefined) throw new Error(`this package has no program above ${import.meta.dirname}`);
  return path;
}

function flagsOf(options: TemplateOptions): readonly string[] {
  const flags = ENGINE_OPTIONS.flatMap((name) => {
    const value = options[name];
    if (value === undefined || value === false) return [];
    if (value === true) return [flagOf(name)];
    return [value].flat().flatMap((one) => [flagOf(name), one]);
  });
  const { ignorePattern } = options;
  return [
    // The settings of the developer's own database are in .env.
    "--env-file",
    devNull,
    "--create-schema",
    ...flags,
    ...(ignorePattern === undefined ? [] : ["--ignore-pattern", ignorePattern]),
  ];
}

/** Settings of the developer's own database must not reach the template. */
function environmentOf(url: string): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("DATABASE_") && name !== "NODE_V8_COVERAGE",
  );
  return { ...Object.fromEntries(others), DATABASE_URL: url };
}

/** What `up --json` prints when it fails. */
const Answer = v.object({
  error: v.object({
    code: v.custom<ErrorCode>(isErrorCode),
    message: v.string(),
    hint: v.optional(v.string()),
    migration: v.optional(v.string()),
    file: v.optional(v.string()),
    line: v.optional(v.number()),
    statement: v.optional(v.string()),
    sqlstate: v.optional(v.string()),
    detail: v.optional(v.string()),
  }),
});

function failure(stdout: string, stderr: string): Error {
  const parsed = v.safeParse(Answer, parseJson(stdout));
  if (!parsed.success)
    return new Error(`the migrations of the test database could not be run:\n${stderr || stdout}`);
  const { code, message, ...details } = parsed.output.error;
  const { migration, file, line, statement, detail } = details;
  const place = file === undefined ? undefined : `at ${file}${line === undefined ? "" : `:${line}`}`;
  const lines = [
    `${code}: the template of the test databases could not be built${migration === undefined ? "" : `: migration ${migration} failed`}`,
    ...[message, place, statement, detail].filter((one) => one !== undefined),
  ];
  return explained(new MigrationError(code, lines.join("\n  "), given(details)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
