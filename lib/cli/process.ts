import { errorCode, type MigrationError } from "../core/index.ts";
import { onFirstMigrationCode, outsideContainment, strayError } from "../engine/index.ts";
import { endAtSecondSignal } from "./endless-loop.ts";
import { main, reportFailure } from "./index.ts";
import { commandLine, EXIT, type World } from "./world.ts";

/** Runs the CLI in this process: its arguments, streams, signals and exit code. Ends the process. */
export async function run(): Promise<void> {
  const command = new CommandProcess();
  command.listen();
  process.setSourceMapsEnabled(true);
  await command.end(await main(command.world));
}

/** How often a command that npm has started looks whether npm is still there. */
const PARENT_CHECK_MS = 250;

const LEFT = `\nLeft without waiting: the server rolls back what was open. ${commandLine("status")} shows what is applied.\n`;

class CommandProcess {
  readonly world: World;
  readonly #cancel = new AbortController();
  readonly #parent = process.ppid;
  #interruptsAreOurs = true;
  #settled = false;
  /** An error of a migration's code that nothing has caught. */
  #stray: MigrationError | undefined;
  #outputError: Error | undefined;

  constructor() {
    this.world = {
      argv: process.argv.slice(2),
      env: process.env,
      cwd: process.cwd(),
      stdout: process.stdout,
      stderr: process.stderr,
      signal: this.#cancel.signal,
      leaveInterruptsToChild: () => {
        this.#interruptsAreOurs = false;
      },
    };
  }

  listen(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => this.#onSignal(signal));
    onFirstMigrationCode(() => endAtSecondSignal(LEFT));
    process.stdout.on("error", (error) => {
      // `… | head` closes our output, which is no failure; on a full disk what was asked for is lost.
      if (errorCode(error) !== "EPIPE") this.#outputError = error;
    });
    process.stderr.on("error", () => {});
    process.on("uncaughtException", (error) => this.#onUncaught(error));
    process.on("unhandledRejection", (reason) => this.#onUncaught(reason));
    process.on("exit", () => this.#onExit());
    // npm and its shell die of a signal that they do not hand on; the run must not go on behind the user's back.
    if (process.env["npm_lifecycle_event"] !== undefined)
      setInterval(() => this.#checkParent(), PARENT_CHECK_MS).unref();
  }

  /**
   * Ends the process once what was printed has been taken, however slowly it is read: timers, sockets and pools that
   * a migration has left behind would keep it alive.
   */
  async end(exitCode: number): Promise<never> {
    await Promise.all([process.stdout, process.stderr].map(flushed));
    this.#settled = true;
    const lost = this.#outputError;
    if (lost !== undefined) process.stderr.write(`\nThe output could not be written: ${lost.message}\n`);
    const failed = lost !== undefined || this.#stray !== undefined;
    exit(exitCode === EXIT.done && failed ? EXIT.failed : exitCode);
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (signal === "SIGINT" && !this.#interruptsAreOurs) return;
    if (this.#cancel.signal.aborted) this.#leaveAtOnce();
    this.#cancel.abort(signal);
  }

  #checkParent(): void {
    if (process.ppid === this.#parent || this.#cancel.signal.aborted) return;
    this.#cancel.abort("npm, which started it, has ended");
  }

  /** The second time somebody means it. */
  #leaveAtOnce(): never {
    process.stderr.write(LEFT);
    this.#settled = true;
    exit(EXIT.cancelled);
  }

  /** An error of a migration's code stops the command, which then reports it; any other is a defect of ours. */
  #onUncaught(error: unknown): void {
    const stray = strayError(error);
    if (stray === undefined) {
      void outsideContainment(() => reportFailure(this.world, error)).then((code) => this.end(code));
      return;
    }
    if (!stray.fatal || this.#cancel.signal.aborted) return;
    this.#stray = stray.error;
    // The engine opens a connection to cancel its statement: that is none of the migration's.
    outsideContainment(() => this.#cancel.abort(stray.error));
  }

  /** Whatever has ended the process before its command was done, the exit code must not say that all went well. */
  #onExit(): void {
    if (this.#settled) return;
    fixExitCode(EXIT.failed);
    process.stderr.write(
      `\nThe process was ended before the command was done, by code of a migration or a package it uses. ${commandLine("status")} shows what is applied.\n`,
    );
    if (!this.world.argv.includes("--json")) return;
    const error = { code: "MIGRATION", message: "the process was ended before the command was done" };
    process.stdout.write(`${JSON.stringify({ ok: false, error }, undefined, 2)}\n`);
  }
}

function exit(code: number): never {
  fixExitCode(code);
  process.exit(code);
}

/** A listener of a migration could set `process.exitCode`, or exit once more with another code. */
function fixExitCode(code: number): void {
  const original: unknown = Reflect.get(process, "reallyExit");
  process.exitCode = code;
  if (typeof original !== "function") return;
  Reflect.set(process, "reallyExit", () => Reflect.apply(original, process, [code]));
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || !stream.writable) return Promise.resolve();
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}
