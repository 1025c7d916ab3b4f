import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { MigrationError } from "../../core/index.ts";
import { INSTALL_LINTERS, SQUAWK_VERSION } from "./parsed-sql.ts";

/** The output of squawk. It counts lines from 0, and columns in UTF-8 bytes from 0. */
const Complaint = v.object({
  file: v.string(),
  line: v.number(),
  column: v.number(),
  message: v.string(),
  help: v.nullable(v.string()),
  rule_name: v.string(),
});
const Output = v.pipe(v.string(), v.parseJson(), v.array(Complaint));

export type SquawkComplaint = v.InferOutput<typeof Complaint>;

const INSTALL_TESTED_VERSION = `Install the version this tool was tested with: npm install --save-dev squawk-cli@${SQUAWK_VERSION}`;

/**
 * The binary for this platform, which npm installs as a separate package.
 * @throws MigrationError `TOOL_MISSING` if it is not installed
 */
export function findSquawk(
  resolve: (request: string, from?: string) => string = resolveInstalled,
  platform = `${process.platform}-${process.arch}`,
): string {
  let shim: string;
  try {
    shim = resolve("squawk-cli/package.json");
  } catch (cause) {
    throw new MigrationError("TOOL_MISSING", "lint needs the package squawk-cli, which is not installed", {
      hint: INSTALL_LINTERS,
      cause,
    });
  }
  try {
    return resolve(`@squawk-cli/${platform}/bin/squawk${platform.startsWith("win32") ? ".exe" : ""}`, shim);
  } catch (cause) {
    throw new MigrationError("TOOL_MISSING", `squawk-cli is installed without its program for ${platform}`, {
      hint:
        "Install it with its optional dependencies: " +
        `npm install --save-dev --include=optional squawk-cli@${SQUAWK_VERSION}`,
      cause,
    });
  }
}

function resolveInstalled(request: string, from: string = import.meta.url): string {
  return createRequire(from).resolve(request);
}

export interface SquawkRun {
  readonly program: string;
  /** Texts by file name. */
  readonly scripts: ReadonlyMap<string, string>;
  readonly postgresMajor: number;
  readonly signal?: AbortSignal | undefined;
}

/** Checks all scripts with one process, in a temporary folder. */
export async function runSquawk(run: SquawkRun): Promise<SquawkComplaint[]> {
  if (run.scripts.size === 0) return [];
  const folder = await mkdtemp(join(tmpdir(), "cdk-pg-migrate-lint-"));
  try {
    // Without a configuration file squawk reads one from any parent folder, which on a shared machine others may write.
    await writeFile(join(folder, "squawk.toml"), "");
    await Promise.all([...run.scripts].map(([name, text]) => writeFile(join(folder, name), text)));
    return readOutput(await spawnSquawk(run, folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function spawnSquawk({ program, postgresMajor, signal }: SquawkRun, cwd: string): Promise<string> {
  const flags = ["--reporter", "json", "--config", "squawk.toml", "--pg-version", String(postgresMajor)];
  return new Promise((resolve, reject) => {
    // A pattern, because the names of many files may exceed the maximal length of a command line.
    const child = spawn(program, [...flags, "*.sql"], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal ? { signal } : {}),
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (cause) => reject(startFailure(cause, program, signal)));
    child.on("close", (code) => {
      // Exit code 1 means that it reported something.
      if (code === 0 || code === 1) resolve(Buffer.concat(out).toString());
      else reject(exitFailure(code, Buffer.concat(err).toString()));
    });
  });
}

function startFailure(cause: Error, program: string, signal: AbortSignal | undefined): MigrationError {
  if (signal?.aborted) return new MigrationError("CANCELLED", "lint was cancelled", { cause });
  return new MigrationError("TOOL_MISSING", `squawk cannot be started: ${cause.message}`, {
    hint: `Its program is ${program}. It needs glibc: it does not run on Alpine.`,
    cause,
  });
}

function exitFailure(code: number | null, stderr: string): MigrationError {
  const firstLine = stderr.trim().split("\n", 1)[0] ?? "";
  return new MigrationError("TOOL_MISSING", `squawk ended with ${code ?? "a signal"}: ${firstLine}`, {
    hint: INSTALL_TESTED_VERSION,
  });
}

function readOutput(text: string): SquawkComplaint[] {
  const read = v.safeParse(Output, text);
  if (read.success) return read.output;
  throw new MigrationError("TOOL_MISSING", `squawk's answer is not understood: ${read.issues[0].message}`, {
    hint: INSTALL_TESTED_VERSION,
  });
}
