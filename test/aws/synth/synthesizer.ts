import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as v from "valibot";
import { type Assembly, readAssembly } from "../cloud/template.ts";
import type { StackRequest } from "./program.ts";

const PROGRAM = fileURLToPath(new URL("./program.ts", import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const Answer = v.object({ error: v.optional(v.string()) });

/** Makes assemblies as `cdk synth` does, below a temporary folder; one process makes all of a test file. */
export class Synthesizer {
  readonly #directory = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-synth-"));
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor() {
    const { PATH } = process.env;
    this.#child = spawn(process.execPath, ["--import", TSX, PROGRAM], {
      cwd: this.#directory,
      // CDK's own checks of the template take a second; other tests see to them.
      env: { PATH, HOME: this.#directory, CDK_VALIDATION: "false" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** @throws Error with what the construct says */
  synth(stack: StackRequest): Promise<Assembly> {
    const next = this.#last.then(() => this.#synth(stack));
    this.#last = next.catch(() => {});
    return next;
  }

  close(): void {
    this.#child.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #synth(stack: StackRequest): Promise<Assembly> {
    this.#count += 1;
    const outDir = join(this.#directory, `cdk.out-${this.#count}`);
    const line = new Promise<string>((resolve, reject) => {
      this.#lines.once("line", resolve);
      this.#lines.once("close", () => reject(new Error("the synthesizer has ended")));
    });
    this.#child.stdin.write(`${JSON.stringify({ outDir, stack })}\n`);
    const { error } = v.parse(Answer, JSON.parse(await line));
    if (error !== undefined) throw new Error(error);
    return readAssembly(outDir);
  }
}
