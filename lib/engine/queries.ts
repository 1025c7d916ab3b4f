import { basename } from "node:path";
import type pg from "pg";
import { MigrationError } from "../core/index.ts";
import { maskSecrets, oneLine } from "../sql/index.ts";
import type { MigrationDb } from "./node-pg-migrate.ts";

/** A query of a migration as it is sent to the server. */
export type MigrationQuery = pg.QueryConfig<unknown[]> & { readonly rowMode?: string };

/** Runs a query for a migration after all its earlier queries. */
export type RunQuery = (query: MigrationQuery) => Promise<pg.QueryResult>;

/** A promise that the migration got, and its state. */
interface TrackedQuery {
  readonly text: string;
  readonly site: Error;
  /** Whether the migration uses the result or the failure. */
  awaited: boolean;
  settled: boolean;
  failure: unknown;
}

/**
 * `pgm.db` of one migration. It tracks whether the migration awaits each query: a query that is not awaited may fail
 * unnoticed, or run after the migration has ended.
 */
export class MigrationQueries implements MigrationDb {
  readonly #migration: string;
  readonly #run: RunQuery;
  readonly #tracked: TrackedQuery[] = [];
  readonly #work: Promise<unknown>[] = [];
  readonly #callbackFailures: unknown[] = [];
  /** Texts of named queries: for a known query pg accepts the name alone. */
  readonly #named = new Map<string, string>();
  #over = false;

  constructor(migration: string, run: RunQuery) {
    this.#migration = migration;
    this.#run = run;
  }

  readonly query = (...args: readonly unknown[]): Promise<unknown> =>
    this.#start(args, callSite("query", this.query), (result) => result);

  readonly select = (...args: readonly unknown[]): Promise<unknown> =>
    this.#start(args, callSite("select", this.select), ({ rows }) => rows);

  /**
   * Call when the migration's function has returned. Waits for running queries.
   * @throws MigrationError `MIGRATION` for a query that was not awaited
   */
  async finish(): Promise<void> {
    const missed = this.#tracked.find(({ awaited, settled }) => !awaited || !settled);
    await this.close();
    if (missed !== undefined) throw notAwaited(this.#migration, missed);
    if (this.#callbackFailures.length > 0) throw this.#callbackFailures[0];
  }

  /** Refuses further queries, and waits for running ones. */
  async close(): Promise<void> {
    this.#over = true;
    for (let work = this.#work.pop(); work !== undefined; work = this.#work.pop()) await work.catch(() => {});
  }

  #start(args: readonly unknown[], site: Error, pick: (result: pg.QueryResult) => unknown): Promise<unknown> {
    const [input, second, third] = args;
    const callback = [second, third].find(isCallback);
    const result = this.#perform(input, isCallback(second) ? undefined : second, site).then(pick);
    const tracked = { text: textOf(input) ?? "", site, awaited: false, settled: false, failure: undefined };
    if (callback === undefined) return this.#track(result, tracked);
    // The callback handles a failed query; an error of the callback itself fails the migration.
    this.#watch(result, { ...tracked, awaited: true });
    const called = result.then(
      (value) => callback(undefined, value),
      (error: unknown) => callback(error),
    );
    this.#work.push(called.catch((error: unknown) => this.#callbackFailures.push(error)));
    return Promise.resolve(undefined);
  }

  async #perform(input: unknown, values: unknown, site: Error): Promise<pg.QueryResult> {
    const query = this.#read(input, values);
    if (this.#over) throw tooLate(this.#migration, query.text, site);
    return this.#run(query);
  }

  #watch(promise: Promise<unknown>, tracked: TrackedQuery): void {
    this.#tracked.push(tracked);
    const ended = (failure?: unknown): void => {
      tracked.settled = true;
      tracked.failure = failure;
    };
    // With this listener, a rejection that the migration does not handle does not end the process.
    this.#work.push(promise.then(() => ended(), ended));
  }

  /** Wraps the promise for the migration. `await` handles both outcomes; a chain with `then` alone can still miss a failure. */
  #track(promise: Promise<unknown>, tracked: TrackedQuery): Promise<unknown> {
    this.#watch(promise, tracked);
    const chained = (next: Promise<unknown>) =>
      this.#track(next, { ...tracked, awaited: false, settled: false, failure: undefined });
    return new Proxy(promise, {
      get: (target, key, receiver) => {
        if (key === "then") {
          return (onFulfilled?: (value: unknown) => unknown, onRejected?: (error: unknown) => unknown) => {
            tracked.awaited = true;
            const next = target.then(onFulfilled, onRejected);
            return isCallback(onRejected) ? next : chained(next);
          };
        }
        if (key === "finally") {
          return (onFinally?: () => void) => {
            tracked.awaited = true;
            return chained(target.finally(onFinally));
          };
        }
        return Reflect.get(target, key, receiver);
      },
    });
  }

  /** Copies the query, so that what is checked is what is sent: a getter could return different text each time. */
  #read(input: unknown, values: unknown): MigrationQuery {
    const option = (key: string): unknown =>
      typeof input === "object" && input !== null ? Reflect.get(input, key) : undefined;
    const [name, types, rowMode] = [option("name"), option("types"), option("rowMode")];
    const namedText = typeof name === "string" ? this.#named.get(name) : undefined;
    const text = textOf(input) ?? namedText;
    if (text === undefined || isCallback(option("submit"))) throw notAQuery(this.#migration, input);
    if (typeof name === "string") this.#named.set(name, text);
    const parameters = values ?? option("values");
    return {
      text,
      ...(Array.isArray(parameters) ? { values: parameters } : {}),
      ...(isTypes(types) ? { types } : {}),
      ...(typeof rowMode === "string" ? { rowMode } : {}),
    };
  }
}

function textOf(input: unknown): string | undefined {
  const text: unknown = typeof input === "object" && input !== null ? Reflect.get(input, "text") : input;
  return typeof text === "string" ? text : undefined;
}

function isCallback(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}

function isTypes(value: unknown): value is pg.CustomTypesConfig {
  return typeof value === "object" && value !== null && isCallback(Reflect.get(value, "getTypeParser"));
}

/** Whether an error is about a query that was not awaited, which is a defect of the migration on any database. */
export function isNotAwaited(error: unknown): boolean {
  return error instanceof MigrationError && defects.has(error);
}

const defects = new WeakSet<MigrationError>();

function notAwaited(migration: string, { text, site, failure }: TrackedQuery): MigrationError {
  const reason = typeof failure === "object" && failure !== null ? Reflect.get(failure, "message") : failure;
  const failed = failure === undefined ? "" : `, and it failed: ${reason}`;
  const error = new MigrationError(
    "MIGRATION",
    `migration ${migration} did not await a query${at(site)}${failed}`,
    {
      migration,
      statement: maskSecrets(text),
      hint: "Write await before pgm.db.query and pgm.db.select, and before each function that calls them.",
      cause: site,
    },
  );
  defects.add(error);
  return error;
}

function tooLate(migration: string, text: string, site: Error): MigrationError {
  return new MigrationError(
    "MIGRATION",
    `migration ${migration} ran a query after its function had returned${at(site)}: ${oneLine(text, 100)}`,
    {
      migration,
      hint: "Write await before what takes time, so that the function returns when all is done.",
      cause: site,
    },
  );
}

function notAQuery(migration: string, input: unknown): MigrationError {
  return new MigrationError(
    "MIGRATION",
    `pgm.db was given ${input === null ? "null" : `a ${typeof input}`} that is no query`,
    {
      migration,
      hint: "Pass SQL as a string, or { text, values }; cursors and streams are not supported.",
    },
  );
}

function at(site: Error): string {
  const place = placeOf(site);
  return place === undefined ? "" : ` (${place})`;
}

/** An error that is not thrown; its stack begins where `called` was called. */
export function callSite(message: string, called: (...args: never) => unknown): Error {
  const site = new Error(message);
  Error.captureStackTrace(site, called);
  return site;
}

/** The first place of a stack as `file:line`, without the folder; undefined when the stack names no file. */
export function placeOf({ stack = "" }: Error): string | undefined {
  const [, file, line] = /^ +at .*?((?:file:\/\/)?(?:\/|[A-Z]:[\\/])[^()]*):(\d+):\d+\)?$/m.exec(stack) ?? [];
  return file === undefined ? undefined : `${basename(file.replaceAll("\\", "/"))}:${line}`;
}
