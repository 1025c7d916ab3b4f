import type pg from "pg";
import type { MigrationError, RunEvent } from "../../lib/core/index.ts";
import type { ConnectionSettings } from "../../lib/postgres/index.ts";
import type { TestDatabase } from "../support/database.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { withRole } from "./fixtures.ts";

/** What the attacker's functions say when they run. A notice comes through also where nothing can be written. */
const PROOF = "attacker code ran";

export interface Victim {
  readonly db: TestDatabase;
  readonly connection: ConnectionSettings;
  /** The attacker, who may create in schema `public` and has whatever the test gives. */
  readonly attacker: string;
  /** Runs SQL as the attacker. */
  attack(sql: string): Promise<void>;
}

/** Functions for every place in which the server might call one. */
const FUNCTIONS = `
CREATE FUNCTION public.evil() RETURNS varchar LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN '1_a'; END$$;
CREATE FUNCTION public.evil_true() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN true; END$$;
CREATE FUNCTION public.evil_int() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN 1; END$$;
CREATE FUNCTION public.evil_fixed(varchar) RETURNS varchar IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN '1_a'; END$$;
CREATE FUNCTION public.evil_test(varchar) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN true; END$$;
CREATE FUNCTION public.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '${PROOF}'; RETURN COALESCE(NEW, OLD); END$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;`;

/** Does `test` with a superuser as the victim, or with a role that owns what it makes and no more. */
export async function withVictim(
  db: TestDatabase,
  kind: "superuser" | "plain role",
  test: (victim: Victim) => Promise<void>,
): Promise<void> {
  await withRole(db, async (attacker, asAttacker) => {
    await db.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${attacker};
      CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
      GRANT USAGE ON FOREIGN SERVER elsewhere TO ${attacker}`);
    const client = await connectAs(db, asAttacker);
    const victim = {
      db,
      attacker,
      attack: async (sql: string) => {
        await client.query(sql);
      },
    };
    await victim.attack(FUNCTIONS);
    try {
      if (kind === "superuser") return await test({ ...victim, connection: db.connection });
      await withPlainRole(db, (connection) => test({ ...victim, connection }));
    } finally {
      await client.query("RESET ALL");
    }
  });
}

async function withPlainRole(
  db: TestDatabase,
  test: (connection: ConnectionSettings) => Promise<void>,
): Promise<void> {
  const role = `deployer_${db.name}`;
  await db.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'weak'; GRANT CREATE, USAGE ON SCHEMA public TO ${role}`,
  );
  try {
    await test({ ...db.connection, user: role, password: "weak" });
  } finally {
    await db.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
}

async function connectAs(db: TestDatabase, { user }: ConnectionSettings): Promise<pg.Client> {
  const client = await db.client();
  await client.query(`SET SESSION AUTHORIZATION ${user}`);
  return client;
}

type Command = readonly [
  name: string,
  run: (migrator: Awaited<ReturnType<typeof openMigrator>>) => Promise<unknown>,
];

export const READING: readonly Command[] = [
  ["status", (m) => m.status()],
  ["plan", (m) => m.planUp()],
  ["plan --down", (m) => m.planDown()],
  ["forecast", (m) => m.forecast()],
  ["history", (m) => m.history()],
];

export const WRITING: readonly Command[] = [
  ["up", (m) => m.up()],
  ["up 1", (m) => m.up({ count: 1 })],
  ["up --fake", (m) => m.up({}, "fake")],
  ["down", (m) => m.down()],
  ["down --batch", (m) => m.down({ batch: true })],
  ["down --fake", (m) => m.down({}, "fake")],
  ["redo", (m) => m.redo()],
  ["baseline", (m) => m.baseline()],
  ["repair", (m) => m.repair()],
  ["resolve --retry", (m) => m.resolve("1_a", "retry")],
  ["resolve --applied", (m) => m.resolve("1_a", "applied")],
];

/** What became of one command. */
export interface Tried {
  readonly command: string;
  readonly code: string;
  readonly error: MigrationError | undefined;
  readonly attackerCodeRan: boolean;
}

/** Tries every command on the victim's database, and tells what each did. */
export async function tryAll(
  { db, connection }: Victim,
  dir: string,
  commands: readonly Command[],
  options: Parameters<typeof openMigrator>[2] = {},
): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const [command, run] of commands) {
    const migrator = await openMigrator(db, dir, options, { connection });
    const error = await failureOf(run(migrator)).catch(() => undefined);
    const attackerCodeRan = [...migrator.events.map(noticeOf), error?.message ?? ""].some((text) =>
      text.includes(PROOF),
    );
    tried.push({ command, code: error?.code ?? "succeeded", error, attackerCodeRan });
  }
  return tried;
}

function noticeOf(event: RunEvent): string {
  return event.type === "notice" ? event.message : "";
}
