import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type Listening, listen } from "../http.ts";
import type { Recorder } from "../recorder.ts";
import { type FunctionSettings, isSameFunction } from "./function.ts";
import { OrphanKiller } from "./orphan-killer.ts";
import { type Invocation, Sandbox } from "./sandbox.ts";
import { UninstalledSandboxes } from "./uninstalled-sandboxes.ts";

const PATH = /^\/2015-03-31\/functions\/([^/?]+)(\/invocations|\/configuration)?/;

interface Installed {
  readonly settings: FunctionSettings;
  readonly idle: Sandbox[];
  readonly busy: Set<Sandbox>;
}

/** Lambda: functions by name or ARN, as processes and behind the endpoint that the AWS SDK speaks to. */
export class LambdaService {
  readonly #recorder: Recorder;
  readonly #functions = new Map<string, Installed>();
  readonly #uninstalled = new UninstalledSandboxes();
  readonly #orphanKiller = new OrphanKiller();
  #server: Listening | undefined;
  #answersToLose = 0;
  #refusals: { readonly name: string; readonly code: string }[] = [];
  readonly #payloads: { readonly name: string; readonly payload: string }[] = [];

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Creates or updates a function. Processes with the old code take no more invocations. */
  async install(settings: FunctionSettings): Promise<void> {
    const old = this.#functions.get(settings.name);
    if (old !== undefined && isSameFunction(old.settings, settings)) return;
    this.#functions.set(settings.name, { settings, idle: [], busy: new Set() });
    await this.#uninstalled.put(...(old?.idle.splice(0) ?? []));
  }

  async invoke(nameOrArn: string, payload: string): Promise<Invocation> {
    const invocation = await this.invokeUnseen(nameOrArn, payload);
    this.#recorder.add({
      source: this.#find(nameOrArn).settings.name,
      kind: "answer",
      text: invocation.payload,
    });
    return invocation;
  }

  /** Invokes a function for a caller that shows the answer to nobody. */
  async invokeUnseen(nameOrArn: string, payload: string): Promise<Invocation> {
    const installed = this.#find(nameOrArn);
    const { settings, idle, busy } = installed;
    const warm = idle.pop() ?? this.#uninstalled.take(settings);
    const sandbox = warm ?? (await Sandbox.start(settings, this.#recorder, this.#orphanKiller));
    busy.add(sandbox);
    try {
      return await sandbox.invoke(payload);
    } finally {
      busy.delete(sandbox);
      await this.#release(installed, sandbox);
    }
  }

  /** Kills the processes that serve an invocation now. @returns how many */
  kill(nameOrArn: string): number {
    const { busy } = this.#find(nameOrArn);
    for (const sandbox of busy) sandbox.kill();
    return busy.size;
  }

  /** Kills them as soon as there are any. */
  async killWhenBusy(nameOrArn: string): Promise<void> {
    for (let i = 0; i < 2_000 && this.#find(nameOrArn).busy.size === 0; i += 1) await sleep(10);
    await sleep(300);
    this.kill(nameOrArn);
  }

  /** What was sent over HTTP, by the names of the functions. */
  get payloads(): readonly { readonly name: string; readonly payload: string }[] {
    return this.#payloads;
  }

  /** Answers the next invocations of a function over HTTP with an error of the service. */
  refuse(name: string, code: string, count: number): void {
    this.#refusals.push(...Array.from({ length: count }, () => ({ name, code })));
  }

  /** The next invocation starts a process. */
  async cool(nameOrArn: string): Promise<void> {
    const { idle } = this.#find(nameOrArn);
    await Promise.all(idle.splice(0).map((sandbox) => sandbox.stop()));
    await this.#uninstalled.clear();
  }

  /** Cuts the connection of so many of the next invocations over HTTP as soon as they run: the caller tries again. */
  loseAnswers(count: number): void {
    this.#answersToLose = count;
  }

  async close(): Promise<void> {
    const sandboxes = [...this.#functions.values()].flatMap(({ idle, busy }) => [...idle, ...busy]);
    await Promise.all([...sandboxes.map((sandbox) => sandbox.stop()), this.#uninstalled.clear()]);
    this.#orphanKiller.close();
    await this.#server?.close();
  }

  #takeRefusal(name: string): string | undefined {
    const index = this.#refusals.findIndex((refusal) => refusal.name === name);
    return index < 0 ? undefined : this.#refusals.splice(index, 1)[0]?.code;
  }

  async #release(installed: Installed, sandbox: Sandbox): Promise<void> {
    const isCurrent = this.#functions.get(sandbox.settings.name) === installed;
    if (!sandbox.isUsable) await sandbox.stop();
    else if (isCurrent) installed.idle.push(sandbox);
    else await this.#uninstalled.put(sandbox);
  }

  #find(nameOrArn: string): Installed {
    const name = nameOrArn.split(":").at(-1) ?? "";
    const found = this.#functions.get(name);
    if (found === undefined) throw new Error(`no function "${nameOrArn}"`);
    return found;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = "", what] = PATH.exec(request.url ?? "") ?? [];
    const nameOrArn = decodeURIComponent(name);
    if (what !== "/invocations") {
      const configuration = { State: "Active", LastUpdateStatus: "Successful" };
      const answer = what === "/configuration" ? configuration : { Configuration: configuration };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      return;
    }
    const payload = await bodyOf(request);
    const refusal = this.#takeRefusal(nameOrArn);
    if (refusal !== undefined) {
      response.writeHead(refusal === "AccessDeniedException" ? 403 : 409, { "x-amzn-errortype": refusal });
      response.end(JSON.stringify({ Message: "refused" }));
      return;
    }
    this.#payloads.push({ name: nameOrArn, payload });
    const isLost = this.#answersToLose > 0;
    if (isLost) {
      this.#answersToLose -= 1;
      setTimeout(() => request.socket.destroy(), 100);
    }
    const invocation = await this.invoke(nameOrArn, payload);
    if (isLost) return;
    response.writeHead(200, {
      "content-type": "application/json",
      "x-amz-executed-version": "$LATEST",
      ...(invocation.failed ? { "x-amz-function-error": "Unhandled" } : {}),
    });
    response.end(invocation.payload);
  }
}
