import childProcess from "node:child_process";
import dgram from "node:dgram";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import workerThreads from "node:worker_threads";

/** What code of a migration must not do. */
export interface Refusal {
  /** Continues the sentence "migration x …". */
  readonly what: string;
  readonly hint: string;
}

type Callable = (...args: never[]) => unknown;

export interface Guard {
  /** Throws if a migration's code runs. @param caller the function that the code called */
  refuse(refusal: Refusal, caller: Callable): void;
  /** Whether a write of a migration's code is shown; undefined if none runs. */
  mayPrint(): boolean | undefined;
}

let installed = false;

/**
 * Installs the guard in the functions of Node through which all connections, processes, threads and exits go. It stays
 * for the life of the process, because a timer of a migration may fire at any time, and lets all other code pass.
 */
export function guardProcess(guard: Guard): void {
  if (installed) return;
  installed = true;
  guardConnections(guard);
  guardProcesses(guard);
  guardBindings(guard);
  guardEnd(guard);
  guardOutput(guard);
  // Modules that have imported these functions by name get the guarded ones.
  syncBuiltinESMExports();
}

const OWN_SESSION =
  "Use pgm.db for queries and pgm.sql for statements: they go through the engine's session, in the migration's transaction.";

function guardConnections(guard: Guard): void {
  const connection = (target: string): Refusal => ({
    what: `opens a connection of its own${target}`,
    hint: OWN_SESSION,
  });
  guardConnect((args, self) => guard.refuse(connection(targetOf(args)), self));
  // A pool or an agent may use a connection that was opened earlier.
  before(net.Socket.prototype, "write", (_args, self, socket) => {
    if (socket === process.stdout || socket === process.stderr) return;
    guard.refuse({ what: "uses a connection of its own", hint: OWN_SESSION }, self);
  });
  for (const name of ["connect", "send", "bind"])
    before(dgram.Socket.prototype, name, (_args, self) => guard.refuse(connection(" (UDP)"), self));
  // Checked here, because the place in the migration is still in the stack.
  before(globalThis, "fetch", ([url], self) => guard.refuse(connection(` (${originOf(url)})`), self));
}

/** The socket fails with an event, as without a network: a client would wait for ever after a throw. */
function guardConnect(check: (args: readonly unknown[], self: Callable) => void): void {
  const original: unknown = Reflect.get(net.Socket.prototype, "connect");
  if (typeof original !== "function") return;
  const connect = function (this: net.Socket, ...args: unknown[]): unknown {
    try {
      check(args, connect);
    } catch (error) {
      return this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    return Reflect.apply(original, this, args);
  };
  Reflect.set(net.Socket.prototype, "connect", connect);
}

/** What Node's own modules stand on: a socket or a process made from it passes by everything else in this file. */
const RAW_BINDINGS: ReadonlySet<unknown> = new Set([
  "tcp_wrap",
  "pipe_wrap",
  "udp_wrap",
  "process_wrap",
  "spawn_sync",
]);

function guardBindings(guard: Guard): void {
  const hint = "Use pgm.db and pgm.sql; do everything else outside the migration.";
  before(process, "binding", ([name], self) => {
    if (RAW_BINDINGS.has(name)) guard.refuse({ what: `uses Node's internals: ${name}`, hint }, self);
  });
}

function guardProcesses(guard: Guard): void {
  const hint = "Do this outside the migration: what it starts could do anything to the database.";
  const refusal = { what: "starts a process of its own", hint };
  before(childProcess.ChildProcess.prototype, "spawn", (_args, self) => guard.refuse(refusal, self));
  for (const name of ["spawnSync", "execSync", "execFileSync"])
    before(childProcess, name, (_args, self) => guard.refuse(refusal, self));
  const { Worker } = workerThreads;
  const construct = (target: typeof Worker, args: unknown[], newTarget: NewableFunction): object => {
    guard.refuse({ what: "starts a thread of its own", hint }, construct);
    return Reflect.construct(target, args, newTarget);
  };
  Reflect.set(workerThreads, "Worker", new Proxy(Worker, { construct }));
}

function guardEnd(guard: Guard): void {
  const hint = "Throw an error to fail the migration; return to end it.";
  const ends = (call: string): Refusal => ({ what: `ends the process: ${call}`, hint });
  before(process, "exit", ([code], self) =>
    guard.refuse(ends(`process.exit(${code === undefined ? "" : String(code)})`), self),
  );
  before(process, "reallyExit", (_args, self) => guard.refuse(ends("process.reallyExit()"), self));
  // Newer versions of Node have it.
  before(process, "execve", (_args, self) => guard.refuse(ends("process.execve()"), self));
  before(process, "abort", (_args, self) => guard.refuse(ends("process.abort()"), self));
  before(process, "kill", ([pid], self) => {
    // A number up to 0 stands for a group of processes.
    if (typeof pid === "number" && pid > 0 && pid !== process.pid && pid !== process.ppid) return;
    guard.refuse(ends("process.kill()"), self);
  });
}

/** Sends output of migrations to stderr: stdout is for results, which a program may parse as JSON. */
function guardOutput({ mayPrint }: Guard): void {
  const toStderr = process.stderr.write.bind(process.stderr);
  for (const stream of [process.stdout, process.stderr]) {
    const original = stream.write;
    const replacement = (...args: unknown[]): unknown => {
      const allowed = mayPrint();
      if (allowed === undefined) return Reflect.apply(original, stream, args);
      if (allowed) return Reflect.apply(toStderr, undefined, args);
      const done = args.at(-1);
      if (typeof done === "function") process.nextTick(() => Reflect.apply(done, undefined, []));
      return true;
    };
    Reflect.set(stream, "write", replacement);
    keepOpen(stream, mayPrint);
  }
}

/** Keeps a migration from closing the streams, which the command still needs. */
function keepOpen(stream: NodeJS.WriteStream, mayPrint: Guard["mayPrint"]): void {
  for (const name of ["end", "destroy"] as const) {
    const original = stream[name];
    const replacement = (...args: unknown[]): unknown => {
      if (mayPrint() === undefined) return Reflect.apply(original, stream, args);
      const [chunk] = args;
      if (name === "end" && (typeof chunk === "string" || chunk instanceof Uint8Array)) stream.write(chunk);
      const done = args.at(-1);
      if (typeof done === "function") process.nextTick(() => Reflect.apply(done, undefined, []));
      return stream;
    };
    Reflect.set(stream, name, replacement);
  }
}

/** Calls `check` before a method. An error of the check is thrown in place of the call. */
function before(
  holder: object,
  name: string,
  check: (args: readonly unknown[], self: Callable, receiver: unknown) => void,
): void {
  const original: unknown = Reflect.get(holder, name);
  if (typeof original !== "function") return;
  const replacement = function (this: unknown, ...args: unknown[]): unknown {
    check(args, replacement, this);
    return Reflect.apply(original, this, args);
  };
  Object.defineProperty(replacement, "name", { value: name });
  Object.defineProperty(replacement, "length", { value: original.length });
  Reflect.set(holder, name, replacement);
}

/** The target of a socket: from `(port, host)`, `(path)`, `(options)`, or Node's internal list of them. */
function targetOf([first, second]: readonly unknown[]): string {
  const target: unknown = Array.isArray(first) ? first[0] : first;
  if (typeof target === "object" && target !== null) {
    const [path, host, port] = ["path", "host", "port"].map((key): unknown => Reflect.get(target, key));
    return typeof path === "string" ? ` (${path})` : ` (${host ?? "localhost"}:${port})`;
  }
  if (typeof target === "string" && !/^\d+$/.test(target)) return ` (${target})`;
  return ` (${typeof second === "string" ? second : "localhost"}:${target})`;
}

/** The origin of a URL, without its secrets. */
function originOf(url: unknown): string {
  const text = typeof url === "object" && url !== null ? (Reflect.get(url, "url") ?? url) : url;
  return URL.canParse(String(text)) ? new URL(String(text)).origin : "fetch";
}
