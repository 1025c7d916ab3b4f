import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Worker } from "node:worker_threads";
import { errorCode, type MigrationError } from "../core/index.ts";
import { onFirstMigrationCode, outsideContainment, strayError } from "../engine/index.ts";
import { main, reportFailure } from "./main.ts";
import { commandLine, EXIT, type ProcessIo } from "./process-io.ts";

/** Runs the CLI in this process: its arguments, streams, signals and exit code. Ends the process. */
export async function run(): Promise<void> {
  // The list of processes shows it in place of the arguments, which may hold a URL with a password.
  if (process.argv.some((argument) => argument.startsWith("--url"))) process.title = "cdk-pg-migrate";
  const command = new CommandProcess();
  command.listen();
  process.setSourceMapsEnabled(true);
  await command.end(await main(command.io));
}

/** How often a command that npm started checks that npm still runs. */
const PARENT_CHECK_MS = 250;

const LEFT = `\nLeft without waiting: the server rolls back what was open. ${commandLine("status")} shows what is applied.\n`;

class CommandProcess {
  readonly io: ProcessIo;
  readonly #cancel = new AbortController();
  readonly #parent = process.ppid;
  #handlesInterrupts = true;
  #ended = false;
  /** An error in the code of a migration that nothing caught. */
  #stray: MigrationError | undefined;
  #outputError: Error | undefined;

  constructor() {
    this.io = {
      argv: process.argv.slice(2),
      env: process.env,
      cwd: process.cwd(),
      stdout: process.stdout,
      stderr: process.stderr,
      signal: this.#cancel.signal,
      ask: (question) => ask(question, this.#cancel.signal),
      leaveInterruptsToChild: () => {
        this.#handlesInterrupts = false;
      },
    };
  }

  listen(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => this.#onSignal(signal));
    onFirstMigrationCode(() => endAtSecondSignal(LEFT));
    process.stdout.on("error", (error) => {
      // `… | head` closes the output, which is no failure. On a full disk, output is lost.
      if (errorCode(error) !== "EPIPE") this.#outputError = error;
    });
    process.stderr.on("error", () => {});
    process.on("uncaughtException", (error) => this.#onUncaught(error));
    process.on("unhandledRejection", (reason) => this.#onUncaught(reason));
    process.on("exit", () => this.#onExit());
    // npm and its shell end at a signal without passing it on. The run must end with them.
    if (process.env["npm_lifecycle_event"] !== undefined)
      setInterval(() => this.#checkParent(), PARENT_CHECK_MS).unref();
  }

  /**
   * Ends the process when all output has been read, however slowly. Timers, sockets and pools that a migration left
   * open would keep it alive.
   */
  async end(exitCode: number): Promise<never> {
    await Promise.all([process.stdout, process.stderr].map(flushed));
    this.#ended = true;
    const lost = this.#outputError;
    if (lost !== undefined) process.stderr.write(`\nThe output could not be written: ${lost.message}\n`);
    const failed = lost !== undefined || this.#stray !== undefined;
    exit(exitCode === EXIT.done && failed ? EXIT.failed : exitCode);
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (signal === "SIGINT" && !this.#handlesInterrupts) return;
    if (this.#cancel.signal.aborted) this.#leaveAtOnce();
    this.#cancel.abort(signal);
  }

  #checkParent(): void {
    if (process.ppid === this.#parent || this.#cancel.signal.aborted) return;
    this.#cancel.abort("npm, which started it, has ended");
  }

  /** At the second signal, the user does not want to wait. */
  #leaveAtOnce(): never {
    process.stderr.write(LEFT);
    this.#ended = true;
    exit(EXIT.cancelled);
  }

  /** An error in the code of a migration stops the command, which reports it. Any other error is a defect. */
  #onUncaught(error: unknown): void {
    const stray = strayError(error);
    if (stray === undefined) {
      void outsideContainment(() => reportFailure(this.io, error)).then((code) => this.end(code));
      return;
    }
    if (!stray.fatal || this.#cancel.signal.aborted) return;
    this.#stray = stray.error;
    // The engine opens a connection to cancel its statement: the migration must not be charged with that.
    outsideContainment(() => this.#cancel.abort(stray.error));
  }

  /** If something ends the process before the command is done, the exit code must not be 0. */
  #onExit(): void {
    if (this.#ended) return;
    fixExitCode(EXIT.failed);
    process.stderr.write(
      `\nThe process was ended before the command was done, by code of a migration or a package it uses. ${commandLine("status")} shows what is applied.\n`,
    );
    if (!this.io.argv.includes("--json")) return;
    const error = { code: "MIGRATION", message: "the process was ended before the command was done" };
    process.stdout.write(`${JSON.stringify({ ok: false, error }, undefined, 2)}\n`);
  }
}

/** At the end of the input (Ctrl-D), the answer is empty. */
async function ask(question: string, signal: AbortSignal): Promise<string | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // In this mode, the terminal sends Ctrl-C as a character.
  terminal.once("SIGINT", () => {
    process.stderr.write("\n");
    process.kill(process.pid, "SIGINT");
  });
  try {
    const ended = once(terminal, "close").then(() => "");
    return await Promise.race([terminal.question(question, { signal }), ended]);
  } catch (error) {
    if (signal.aborted) throw error;
    return "";
  } finally {
    terminal.close();
  }
}

function exit(code: number): never {
  fixExitCode(code);
  process.exit(code);
}

/** A listener of a migration could set `process.exitCode`, or exit again with another code. */
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

/** After the second signal, the time for the main thread to end the process itself. */
const GRACE_MS = 1_000;

/**
 * Ends the process at the second signal even if the code of a migration blocks the main thread, where no listener runs
 * then: a second thread counts signals too. Node has no public API for signals in a thread, so this one thread may use
 * the internal one; without it, only SIGKILL would end such a process.
 */
function endAtSecondSignal(message: string): void {
  const workerData = { message, grace: GRACE_MS };
  const worker = new Worker(WATCH, {
    eval: true,
    execArgv: ["--expose-internals", "--no-warnings"],
    workerData,
  });
  worker.on("error", () => {});
  worker.unref();
}

const WATCH = `
const { writeSync } = require("node:fs");
const { workerData } = require("node:worker_threads");
const { Signal } = require("internal/test/binding").internalBinding("signal_wrap");
let received = 0;
const end = () => {
  writeSync(2, workerData.message);
  process.kill(process.pid, "SIGKILL");
};
for (const signal of [1, 2, 15]) {
  const watch = new Signal();
  watch.onsignal = () => {
    received += 1;
    if (received === 2) setTimeout(end, workerData.grace);
  };
  watch.start(signal);
}
`;
