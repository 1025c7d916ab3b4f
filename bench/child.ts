import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** The scheduler of a limited container gives its share in slices of such a period. */
const PERIOD_MS = 20;

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Of one core, from 0 to 1: for the rest of each period the process is stopped. @default - all of it */
  readonly share?: number;
}

/** Runs a script of `children/` with Node and gives what it printed on its last line. */
export async function runChild(
  args: readonly string[],
  { env = {}, share }: ChildOptions = {},
): Promise<unknown> {
  const { PATH = "", HOME = "" } = process.env;
  const [file = "", ...rest] = onOneCore([process.execPath, ...args]);
  const child = spawn(file, rest, { env: { PATH, HOME, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const throttled = share === undefined ? undefined : throttle(child, share, ended);
  const [code] = await ended;
  await throttled;
  if (code !== 0) throw new Error(`${args.join(" ").slice(0, 200)}: ended with ${code}: ${await stderr}`);
  return JSON.parse((await stdout).trimEnd().split("\n").at(-1) ?? "");
}

/** A Lambda function of up to 1.7 GB has one core at most; only Linux can promise that. */
function onOneCore(command: readonly string[]): readonly string[] {
  return process.platform === "linux" ? ["taskset", "-c", "0", ...command] : command;
}

async function throttle(
  child: { kill(signal: NodeJS.Signals): boolean },
  share: number,
  ended: Promise<unknown>,
): Promise<void> {
  let running = true;
  ended.then(
    () => {
      running = false;
    },
    () => {},
  );
  while (running) {
    await sleep(PERIOD_MS * share);
    child.kill("SIGSTOP");
    await sleep(PERIOD_MS * (1 - share));
    child.kill("SIGCONT");
  }
}
