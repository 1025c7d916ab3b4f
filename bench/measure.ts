import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { watchTree } from "./process-tree.ts";
import type { Cost } from "./rows.ts";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The shell's `time` knows the processor time of ended children to the millisecond; Node does not tell. */
const TIMED = `TIMEFORMAT='%3U %3S'; time "$@" 2>&3 >&4`;

export interface Finished extends Cost {
  readonly stdout: string;
}

/**
 * Runs a command to its end.
 * @throws Error with what it wrote when it fails
 */
export async function measure(command: Command): Promise<Finished> {
  const { PATH = "", HOME = "" } = process.env;
  const startedAt = performance.now();
  const child = spawn("bash", ["-c", TIMED, "bash", command.file, ...command.args], {
    cwd: command.cwd,
    env: { PATH, HOME, NO_COLOR: "1", ...command.env },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const [time, stderr, stdout] = [2, 3, 4].map((fd) => read(child.stdio[fd]));
  const tree = watchTree(child.pid ?? 0);
  const [code] = await once(child, "exit");
  const wallMs = performance.now() - startedAt;
  const usage = tree.stop();
  if (code !== 0) {
    const said = `${await stderr} ${await stdout}`.trim().slice(0, 600);
    throw new Error(`ended with ${code}: ${said} (${command.args.join(" ")})`);
  }
  const reaped = processorTime((await time) ?? "");
  // What a tool leaves behind when it ends, such as esbuild's service, is not in the shell's account.
  const cpuMs = Math.max(reaped, usage?.cpuMs ?? 0);
  return { wallMs, cpuMs, ...(usage && { peakMb: usage.peakMb }), stdout: (await stdout) ?? "" };
}

function read(stream: unknown): Promise<string> {
  return stream instanceof Readable ? text(stream) : Promise.resolve("");
}

function processorTime(report: string): number {
  const [user = 0, system = 0] = (report.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  return (user + system) * 1000;
}
