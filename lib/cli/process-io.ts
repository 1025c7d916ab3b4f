import type { ErrorCode } from "../core/index.ts";

/** The process as the CLI sees it. Only process.ts reads the process itself, so that tests can pass another one. */
export interface ProcessIo {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project: where `.env`, `migrations/` and the embedded database are. */
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted when the user cancels the command. */
  readonly signal: AbortSignal;
  /** Asks the person at the terminal; undefined where input or output is none. */
  ask(question: string): Promise<string | undefined>;
  /** Leaves Ctrl-C to a child process that uses the terminal. */
  leaveInterruptsToChild(): void;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Exit codes, as documented. */
export const EXIT = { done: 0, failed: 1, usage: 2, workFound: 3, cancelled: 130 } as const;

/** Columns to lay text out for: those of the terminal, or 100 for a file. */
export function widthOf(output: Output): number {
  return Math.max(20, output.columns || 100);
}

/** Whether the output can show colours and rewrite a line. */
export function isTerminal(io: ProcessIo, output: Output): boolean {
  return output.isTTY === true && io.env["TERM"] !== "dumb";
}

/** True in the published package, which is called by its name; this repository has scripts. */
declare const INSTALLED: boolean | undefined;

/** Where the documentation of an error is, as seen from the project. */
export function entryOf(code: ErrorCode): string {
  return entryIn("troubleshooting", code.toLowerCase());
}

/** An entry of a page of the documentation, as seen from the project. */
export function entryIn(page: "troubleshooting" | "linting", anchor: string): string {
  const isInstalled = typeof INSTALLED !== "undefined" && INSTALLED;
  return `${isInstalled ? "node_modules/cdk-pg-migrate/" : ""}docs/${page}.md#${anchor}`;
}

/** The command line that a message tells the user to type. */
export function commandLine(command: string, flags = ""): string {
  const rest = flags === "" ? "" : ` ${flags}`;
  if (typeof INSTALLED !== "undefined" && INSTALLED) return `npx cdk-pg-migrate ${command}${rest}`;
  const script = command.startsWith("db:") ? command : `migrate:${command}`;
  // npm passes words on, but keeps flags that do not follow two dashes.
  return `npm run ${script}${rest.includes(" -") ? " --" : ""}${rest}`;
}
