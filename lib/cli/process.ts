import { main } from "./index.ts";
import { commandLine, EXIT } from "./world.ts";

/** Runs the CLI in this process: its arguments, streams, signals and exit code. */
export async function run(): Promise<void> {
  const cancel = new AbortController();
  let interruptsAreOurs = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (signal === "SIGINT" && !interruptsAreOurs) return;
      if (cancel.signal.aborted) leaveAtOnce();
      cancel.abort(signal);
    });
  }
  // `… | head` closes our output; that is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  process.setSourceMapsEnabled(true);
  process.exitCode = await main({
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr,
    signal: cancel.signal,
    leaveInterruptsToChild: () => {
      interruptsAreOurs = false;
    },
  });
}

/** The second time somebody means it. */
function leaveAtOnce(): never {
  process.stderr.write(
    `\nLeft without waiting: the server rolls back what was open. ${commandLine("status")} shows what is applied.\n`,
  );
  process.exit(EXIT.cancelled);
}
