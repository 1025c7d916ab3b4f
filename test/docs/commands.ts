import { spawn } from "node:child_process";
import { withoutAgent } from "../../lib/client/index.ts";
import { runCommand } from "../cli/command.ts";
import { REPOSITORY } from "./markdown.ts";

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Runs a program to its end. All it started is ended with it when it takes too long. */
export function run(file: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const { cwd, env, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, timeoutMs);
    const ended = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text) => {
      ended.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      ended.stderr += text;
    });
    child.once("error", reject);
    child.once("close", (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, ...ended });
    });
  });
}

/** Where npm finds packages is the machine's affair; nothing else of the outer npm may reach the inner one. */
const KEPT_OF_NPM = new Set(["npm_config_registry", "npm_config_cache", "npm_config_userconfig"]);

/** The environment of somebody who opens a terminal. */
export function freshEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) =>
      KEPT_OF_NPM.has(name) || !/^(npm_|DATABASE_|PG|JEST_|NODE_ENV$|NODE_OPTIONS$|INIT_CWD$)/.test(name),
  );
  return withoutAgent(Object.fromEntries(entries));
}

/** What `--help` prints, of the whole program or of one command. */
export async function help(command?: string): Promise<string> {
  const args = [...(command === undefined ? [] : [command]), "--help"];
  const { stdout, code, stderr } = await runCommand(REPOSITORY, args);
  if (code !== 0) throw new Error(`--help failed: ${stderr}`);
  return stdout;
}

/** Names of the commands that `--help` lists. */
export async function commandNames(): Promise<string[]> {
  const [, ...groups] = (await help()).split(/^Every day:$/m);
  return [...groups.join("").matchAll(/^ {2}([a-z][\w:-]*)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "help");
}

/** Flags that the help text of a command defines. */
export function flagsIn(helpText: string): Set<string> {
  const lines = helpText.split("\n").filter((line) => /^ {2}-/.test(line));
  return new Set(
    lines.flatMap((line) => [...line.matchAll(/(?<=^ {2}|, )--?[\w-]+/g)].map(([flag]) => flag)),
  );
}
