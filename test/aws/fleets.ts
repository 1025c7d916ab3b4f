import * as v from "valibot";
import type { Changes } from "./cloud/functions.ts";
import type { Stack } from "./cloud/stack.ts";
import type { Execution } from "./cloud/step-functions.ts";
import type { OwnedDatabase } from "./database.ts";
import type { AwsEnvironment, FleetOptions, Migrations } from "./environment.ts";
import { sql } from "./migrations.ts";
import { sessionsIn } from "./state.ts";
import { FLEET } from "./synth/fleet.ts";

/**
 * Two migrations of a schema. The first one leaves a line in a log that all schemas share. The second one waits as long as
 * `hold` says, and fails as long as `poison` does.
 */
export const TENANT_MIGRATIONS: Migrations = {
  "1_t1.sql": sql(
    "CREATE TABLE t1 (id int);\nINSERT INTO public.log SELECT current_schema();",
    "DROP TABLE t1;",
  ),
  "2_t2.sql": sql(
    `DO $$ BEGIN
  WHILE EXISTS (SELECT FROM public.held WHERE schema = current_schema()) LOOP PERFORM pg_sleep(0.02); END LOOP;
  IF EXISTS (SELECT FROM public.poisoned WHERE schema = current_schema()) THEN RAISE 'a "poisoned" schema'; END IF;
END $$;
CREATE TABLE t2 (id int);`,
    "DROP TABLE t2;",
  ),
};

/** Names of schemas: `t001` and so on. */
export function tenants(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `t${String(index + 1).padStart(3, "0")}`);
}

/** The table that the fleet's query reads, and what the migrations look at. */
async function prepare(db: OwnedDatabase): Promise<void> {
  await db.query(
    ["tenants", "held", "poisoned", "log"]
      .map(
        (table) => `CREATE TABLE public.${table} (schema text); GRANT ALL ON public.${table} TO ${db.owner};`,
      )
      .join("\n"),
  );
}

export async function addTenants(db: OwnedDatabase, names: readonly string[]): Promise<void> {
  await db.query(names.map((name) => `CREATE SCHEMA ${name} AUTHORIZATION ${db.owner};`).join("\n"));
  await db.query("INSERT INTO public.tenants SELECT unnest($1::text[])", [names]);
}

/** Makes the second migration fail in these schemas, until `cure`. */
export async function poison(db: OwnedDatabase, ...names: readonly string[]): Promise<void> {
  await db.query("INSERT INTO public.poisoned SELECT unnest($1::text[])", [names]);
}

export async function cure(db: OwnedDatabase): Promise<void> {
  await db.query("DELETE FROM public.poisoned");
}

/** Makes the second migration wait in these schemas, until `release`. */
export async function hold(db: OwnedDatabase, names: readonly string[]): Promise<void> {
  await db.query("INSERT INTO public.held SELECT unnest($1::text[])", [names]);
}

/** How many migrations wait so. */
export function held(db: OwnedDatabase): Promise<number> {
  return sessionsIn(db, "wait_event = 'PgSleep'");
}

export async function release(db: OwnedDatabase): Promise<void> {
  await db.query("DELETE FROM public.held");
}

/** How many schemas have which migrations, and whether each was applied once. */
export async function appliedByTenants(db: OwnedDatabase): Promise<Readonly<Record<string, number>>> {
  const schemas = await db.query<{ schema: string; has: boolean }>(
    `SELECT schema, EXISTS (SELECT FROM pg_tables WHERE schemaname = schema AND tablename = 'pgmigrations') AS has
     FROM public.tenants ORDER BY schema`,
  );
  const having = schemas.filter(({ has }) => has).map(({ schema }) => schema);
  const untouched = schemas.length - having.length;
  const none = untouched === 0 ? {} : { untouched };
  if (having.length === 0) return none;
  const one = (name: string) =>
    `SELECT coalesce((SELECT string_agg(name, ' ' ORDER BY id) FROM ${name}.pgmigrations), 'nothing') AS applied`;
  const rows = await db.query<{ applied: string; n: number }>(
    `SELECT applied, count(*)::int AS n FROM (${having.map(one).join(" UNION ALL ")}) AS x GROUP BY applied`,
  );
  return { ...none, ...Object.fromEntries(rows.map(({ applied, n }) => [applied, n])) };
}

/** How often the first migration was committed in each schema, at most and at least. */
export async function timesApplied(
  db: OwnedDatabase,
): Promise<{ readonly least: number; readonly most: number }> {
  const [row] = await db.query<{ least: number; most: number }>(
    `SELECT min(n)::int AS least, max(n)::int AS most
     FROM (SELECT count(log.schema) AS n FROM public.tenants LEFT JOIN public.log USING (schema) GROUP BY tenants.schema) AS x`,
  );
  return row ?? { least: 0, most: 0 };
}

const Text = v.pipe(v.string(), v.parseJson());

/** What an execution of a fleet ends with, whether it has failed or not. */
export function summaryOf({ output, cause }: Execution): unknown {
  return v.parse(Text, output ?? cause);
}

export interface FleetInput {
  readonly command: "status" | "plan" | "up" | "down";
  readonly [key: string]: unknown;
}

/** A stack for a fleet, and its tenants in the database. */
export interface Fleet {
  readonly stack: Stack;
  readonly db: OwnedDatabase;
  /** Starts an execution; one that changes something confirms the fleet. @returns its ARN */
  start(input: FleetInput): string;
  /** Starts an execution and waits for its end. */
  run(input: FleetInput): Promise<Execution>;
  /** Executions of the machine that changes something, oldest first. */
  executions(): readonly Execution[];
}

/** Gives a test tenants of these names, for a stack that it deploys itself. */
export async function withTenants(
  { withStack, services: { stepFunctions } }: AwsEnvironment,
  names: readonly string[],
  play: (fleet: Fleet) => Promise<void>,
  changes: Changes = {},
): Promise<void> {
  await withStack(changes, async ({ stack, db }) => {
    await prepare(db);
    if (names.length > 0) await addTenants(db, names);
    const before = stepFunctions.executions.length;
    const executions = () => {
      const machine = stack.stateMachineArn("OperateMachine");
      return stepFunctions.executions
        .slice(before)
        .filter(({ stateMachineArn }) => stateMachineArn === machine);
    };
    const start = ({ command, ...rest }: FleetInput) => {
      const reads = command === "status" || command === "plan";
      const machine = stack.stateMachineArn(reads ? "StatusMachine" : "OperateMachine");
      const input = { command, ...(reads ? {} : { confirm: FLEET }), ...rest };
      return stepFunctions.startExecution(machine, JSON.stringify(input)).executionArn;
    };
    await play({ stack, db, start, executions, run: (input) => stepFunctions.ended(start(input)) });
  });
}

export interface FleetSetUp {
  readonly names: readonly string[];
  readonly options?: FleetOptions;
  readonly migrations?: Migrations;
  readonly changes?: Changes;
}

/** The same with functions and state machines that are there, and nothing migrated. */
export async function withFleet(
  aws: AwsEnvironment,
  { names, options = {}, migrations = TENANT_MIGRATIONS, changes = {} }: FleetSetUp,
  play: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  const version = await aws.fleet(migrations, options);
  const installed = async (fleet: Fleet) => {
    await fleet.stack.install(version);
    await play(fleet);
  };
  await withTenants(aws, names, installed, changes);
}
