import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Recorder } from "../recorder.ts";
import type { FunctionSettings } from "./function.ts";
import type { OrphanKiller } from "./orphan-killer.ts";
import { Output } from "./output.ts";
import { RuntimeApi, type Said } from "./runtime-api.ts";

const BOOTSTRAP = fileURLToPath(new URL("./bootstrap.mjs", import.meta.url));

export interface Invocation {
  /** Whether Lambda says `X-Amz-Function-Error`. */
  readonly failed: boolean;
  /** JSON. */
  readonly payload: string;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One process of one function. It serves one invocation at a time and is frozen in between, as Lambda's are. */
export class Sandbox {
  readonly settings: FunctionSettings;
  readonly #api: RuntimeApi;
  readonly #child: ChildProcess;
  readonly #outputs: readonly Output[];
  readonly #ended: Promise<Ended>;
  #isUsable = true;

  private constructor(
    settings: FunctionSettings,
    api: RuntimeApi,
    child: ChildProcessByStdio<null, Readable, Readable>,
    recorder: Recorder,
  ) {
    this.settings = settings;
    this.#api = api;
    this.#child = child;
    const onLine = (text: string) => recorder.add({ source: settings.name, kind: "log", text });
    this.#outputs = [new Output(child.stdout, onLine), new Output(child.stderr, onLine)];
    this.#ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#isUsable = false;
        resolve({ code, signal });
      });
    });
  }

  static async start(
    settings: FunctionSettings,
    recorder: Recorder,
    orphanKiller: OrphanKiller,
  ): Promise<Sandbox> {
    const api = new RuntimeApi();
    const address = await api.start();
    const child = spawn(settings.node, [...settings.nodeOptions, BOOTSTRAP], {
      cwd: settings.root,
      env: environmentOf(settings, address),
      stdio: ["ignore", "pipe", "pipe"],
    });
    orphanKiller.watch(child);
    return new Sandbox(settings, api, child, recorder);
  }

  /** Whether it can take another invocation. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  async invoke(payload: string): Promise<Invocation> {
    this.#signal("SIGCONT");
    const { arn, timeoutSeconds } = this.settings;
    const deadline = Date.now() + timeoutSeconds * 1_000;
    const handed = await Promise.race([this.#api.hand({ arn, deadline, payload }), this.#ended]);
    if ("code" in handed) return exited("-", handed);
    const { id, said } = handed;
    const outcome = await this.#withTimeout(Promise.race([said, this.#ended]), deadline);
    if (outcome === "timeout") {
      await this.stop();
      return timedOut(id, timeoutSeconds);
    }
    if ("code" in outcome) return exited(id, outcome);
    await this.#settle(id, outcome);
    return { failed: outcome.kind !== "response", payload: outcome.body };
  }

  /** As the kernel does when memory runs out. */
  kill(): void {
    this.#isUsable = false;
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    this.kill();
    await this.#ended;
    await this.#api.close();
  }

  /** Waits for the rest of the log, then freezes the process. */
  async #settle(id: string, { kind }: Said): Promise<void> {
    if (kind === "broken") {
      await this.#ended;
      return;
    }
    await Promise.all(this.#outputs.map((output) => output.read(id)));
    await Promise.race([this.#api.asked(), this.#ended]);
    this.#signal("SIGSTOP");
  }

  #signal(signal: "SIGSTOP" | "SIGCONT"): void {
    if (this.#isUsable && process.platform !== "win32") this.#child.kill(signal);
  }

  async #withTimeout<T>(work: Promise<T>, deadline: number): Promise<T | "timeout"> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<"timeout">((resolve) => {
      timer = setTimeout(() => resolve("timeout"), deadline - Date.now());
    });
    try {
      return await Promise.race([work, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function timedOut(id: string, seconds: number): Invocation {
  const errorMessage = `RequestId: ${id} Error: Task timed out after ${seconds.toFixed(2)} seconds`;
  return { failed: true, payload: JSON.stringify({ errorType: "Sandbox.Timedout", errorMessage }) };
}

function exited(id: string, { code, signal }: Ended): Invocation {
  const how = signal === null ? `exit status ${code}` : `signal: ${signal}`;
  const errorMessage = `RequestId: ${id} Error: Runtime exited with error: ${how}`;
  return { failed: true, payload: JSON.stringify({ errorType: "Runtime.ExitError", errorMessage }) };
}

/** Nothing of this machine's environment but where Node is. */
function environmentOf(settings: FunctionSettings, api: string): NodeJS.ProcessEnv {
  return {
    PATH: dirname(settings.node),
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    _HANDLER: settings.handler,
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "512",
    AWS_LAMBDA_FUNCTION_NAME: settings.name,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_FORMAT: settings.logFormat,
    AWS_LAMBDA_LOG_LEVEL: settings.logLevel,
    AWS_LAMBDA_LOG_GROUP_NAME: settings.logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
    AWS_LAMBDA_RUNTIME_API: api,
    LAMBDA_TASK_ROOT: settings.root,
    ...settings.environment,
  };
}
