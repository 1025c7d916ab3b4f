/** What the CLI touches outside itself. Nothing else of it reads the process. */
export interface World {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project: `.env`, `migrations/` and the local database are looked for here. */
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Fires when the user wants the command to end. */
  readonly signal: AbortSignal;
  /** From here on Ctrl-C belongs to a child process that has the terminal. */
  leaveInterruptsToChild(): void;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Exit codes, as documented. */
export const EXIT = { done: 0, failed: 1, usage: 2, workFound: 3, cancelled: 130 } as const;

/** Width to lay text out for: the terminal's, or one that suits a file. */
export function widthOf(output: Output): number {
  return Math.max(20, output.columns || 100);
}

/** Whether somebody watches who can be shown more than plain lines. */
export function isTerminal(world: World, output: Output): boolean {
  return output.isTTY === true && world.env["TERM"] !== "dumb";
}

/** True in the built package, whose program is called by its own name; in this repository there are scripts. */
declare const INSTALLED: boolean | undefined;

/** How the user is told to call a command. */
export function commandLine(command: string, flags = ""): string {
  const rest = flags === "" ? "" : ` ${flags}`;
  if (typeof INSTALLED !== "undefined" && INSTALLED) return `npx cdk-pg-migrate ${command}${rest}`;
  const script = command.startsWith("db:") ? command : `migrate:${command}`;
  // npm keeps flags for itself that do not stand behind two dashes; words it hands on.
  return `npm run ${script}${rest.includes(" -") ? " --" : ""}${rest}`;
}
