import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { runsEveryCase } from "../support/postgres.ts";
import { file } from "./fixtures.ts";
import { READING, type Tried, tryAll, type Victim, WRITING, withVictim } from "./victims.ts";

// What a server of another version could answer differently shows with one kind of victim and one table.
const VICTIMS = runsEveryCase() ? (["superuser", "plain role"] as const) : (["plain role"] as const);
const TABLES = runsEveryCase() ? ["pgmigrations", "pgmigrations_history"] : ["pgmigrations_history"];
const FILES = { "1_a.sql": file("a"), "2_b.sql": file("b") };
const COLUMNS = "id int, name varchar(255), run_on timestamp";

/** What an attacker with CREATE on the schema can make in the place of a table. `T` is the table's name. */
const IN_ITS_PLACE: readonly (readonly [what: string, sql: string])[] = [
  [
    "a view that calls a function",
    "CREATE VIEW T AS SELECT 1 AS id, public.evil() AS name, now()::timestamp AS run_on",
  ],
  [
    "a view with a function that is called while planning",
    "CREATE VIEW T AS SELECT 1 AS id, public.evil_fixed('x') AS name, now()::timestamp AS run_on",
  ],
  [
    "a materialized view",
    "CREATE MATERIALIZED VIEW T AS SELECT 1 AS id, '1_a'::varchar AS name, now()::timestamp AS run_on",
  ],
  [
    "a table with row security",
    `CREATE TABLE T (${COLUMNS}); ALTER TABLE T ENABLE ROW LEVEL SECURITY; ALTER TABLE T FORCE ROW LEVEL SECURITY; CREATE POLICY p ON T USING (public.evil_true())`,
  ],
  [
    "a table with a rule",
    `CREATE TABLE T (${COLUMNS}); CREATE RULE r AS ON INSERT TO T DO ALSO SELECT public.evil()`,
  ],
  [
    "a table with a trigger",
    `CREATE TABLE T (${COLUMNS}); CREATE TRIGGER t BEFORE INSERT OR DELETE ON T FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()`,
  ],
  [
    "a partitioned table",
    `CREATE TABLE T (${COLUMNS}) PARTITION BY LIST ((public.evil_fixed(name))); CREATE TABLE part PARTITION OF T DEFAULT`,
  ],
  [
    "a partition",
    `CREATE TABLE whole (${COLUMNS}) PARTITION BY LIST (id); CREATE TABLE T PARTITION OF whole DEFAULT`,
  ],
  [
    "a table with a child",
    `CREATE TABLE T (${COLUMNS}); CREATE TABLE child () INHERITS (T); INSERT INTO child VALUES (1, '1_a', now())`,
  ],
  ["a table with a parent", `CREATE TABLE parent (${COLUMNS}); CREATE TABLE T () INHERITS (parent)`],
  [
    "a table with a column of a domain",
    "CREATE DOMAIN d AS varchar(255) CHECK (public.evil_test(VALUE)); CREATE TABLE T (id int, name d, run_on timestamp)",
  ],
  [
    "a table with a column that a cast of the attacker turns into text",
    "CREATE TYPE mood AS ENUM ('1_a'); CREATE FUNCTION cast_it(mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'attacker code ran'; RETURN '1_a'; END$$; CREATE CAST (mood AS text) WITH FUNCTION cast_it(mood) AS IMPLICIT; CREATE TABLE T (id int, name mood, run_on timestamp); INSERT INTO T VALUES (1, '1_a', now())",
  ],
  [
    "a table with a default",
    `CREATE TABLE T (id int DEFAULT public.evil_int(), name varchar(255), run_on timestamp)`,
  ],
  [
    "a table with a generated column",
    `CREATE TABLE T (${COLUMNS}, more varchar GENERATED ALWAYS AS (public.evil_fixed(name)) STORED)`,
  ],
  ["a table with a check", `CREATE TABLE T (${COLUMNS}, CHECK (public.evil_test(name)))`],
  [
    "a table with an index on an expression",
    `CREATE TABLE T (${COLUMNS}); CREATE INDEX ON T (public.evil_fixed(name))`,
  ],
  [
    "a table with a partial index",
    `CREATE TABLE T (${COLUMNS}); CREATE INDEX ON T (id) WHERE public.evil_test(name)`,
  ],
  ["a plain table", `CREATE TABLE T (${COLUMNS})`],
  ["a foreign table", `CREATE FOREIGN TABLE T (${COLUMNS}) SERVER elsewhere`],
  ["a sequence", "CREATE SEQUENCE T"],
  ["a composite type", `CREATE TYPE T AS (${COLUMNS})`],
  [
    "an index",
    `CREATE TABLE other (${COLUMNS}); CREATE INDEX T_1 ON other (id); ALTER INDEX T_1 RENAME TO N`,
  ],
];

const COMMANDS = [...READING, ...WRITING];
/** One that reads, one that applies, one that undoes: what is refused to them is refused to all. */
const FEW = COMMANDS.filter(([name]) => ["status", "up", "down"].includes(name));

/** Each command that was not refused as it should be, or ran what it should not. */
function wrong(tried: readonly Tried[]): unknown[] {
  return tried
    .filter(
      ({ code, attackerCodeRan, error }) =>
        code !== "UNTRUSTED_HISTORY" || attackerCodeRan || !error?.details.hint,
    )
    .map(({ command, code, error, attackerCodeRan }) => ({
      command,
      code,
      message: error?.message,
      attackerCodeRan,
    }));
}

function inPlaceOf(table: string, sql: string): string {
  const [schema, name] = table.split(".");
  return `${sql
    .replaceAll(/\bT_1\b/g, "T1")
    .replaceAll(/\bT\b/g, table)
    .replaceAll(/\bT1\b/g, `${schema}.t1`)
    .replace(`INDEX ${schema}.t1 ON`, "INDEX t1 ON")
    .replace(/\bN$/, name ?? "")}; ${/VIEW|TABLE T/.test(sql) ? `GRANT ALL ON ${table} TO PUBLIC` : ""}`;
}

describe.each(VICTIMS)("an attacker who may create in the schema, before the first run of a %s", (kind) => {
  it.each(IN_ITS_PLACE)(
    "the attacker cannot have code run with %s in the place of pgmigrations [G26]",
    (_what, sql) =>
      withDatabase((db) =>
        withVictim(db, kind, async (victim) => {
          await victim.attack(inPlaceOf("public.pgmigrations", sql));
          expect(wrong(await tryAll(victim, writeFolder(FILES), FEW))).toEqual([]);
        }),
      ),
  );

  if (runsEveryCase()) {
    it.each(IN_ITS_PLACE)(
      "the attacker cannot have code run with %s in the place of the history of a database to take over",
      (_what, sql) =>
        withDatabase((db) =>
          withVictim(db, kind, async (victim) => {
            await madeByPlainTool(victim);
            await victim.attack(inPlaceOf("public.pgmigrations_history", sql));
            expect(wrong(await tryAll(victim, writeFolder(FILES), FEW))).toEqual([]);
          }),
        ),
    );

    it.each(IN_ITS_PLACE.filter(([what]) => /^a table with/.test(what)))(
      "the attacker cannot have code run with %s that belongs to the victim by now",
      (_what, sql) =>
        withDatabase((db) =>
          withVictim(db, kind, async (victim) => {
            await victim.attack(inPlaceOf("public.pgmigrations", sql));
            await db.query(`ALTER TABLE public.pgmigrations OWNER TO ${victim.connection.user}`);
            const tried = await tryAll(victim, writeFolder(FILES), FEW);
            expect(wrong(tried)).toEqual([]);
            expect(tried[0]?.error?.message).not.toContain("belongs to another user");
          }),
        ),
    );
  }

  it("the attacker cannot have code run by any command when the tables have their own names and schema", () =>
    withDatabase((db) =>
      withVictim(db, kind, async (victim) => {
        await db.query(`CREATE SCHEMA "My schema"; GRANT ALL ON SCHEMA "My schema" TO PUBLIC`);
        await victim.attack(`CREATE VIEW "My schema"."Done ""x""" AS SELECT 1 AS id, public.evil() AS name, now()::timestamp AS run_on;
          GRANT ALL ON "My schema"."Done ""x""" TO PUBLIC`);
        const options = { migrationsSchema: "My schema", migrationsTable: 'Done "x"' };
        const tried = await tryAll(victim, writeFolder(FILES), COMMANDS, options);
        expect(wrong(tried)).toEqual([]);
        expect(String(tried[0]?.error?.details.hint)).toContain(`DROP VIEW "My schema"."Done ""x"""`);
      }),
    ));
});

/** The table as node-pg-migrate makes it, with one migration applied, owned by who will migrate. */
async function madeByPlainTool({ db, connection }: Victim): Promise<void> {
  await db.query(`SET SESSION AUTHORIZATION ${connection.user};
    CREATE TABLE public.pgmigrations (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
    INSERT INTO public.pgmigrations (name, run_on) VALUES ('1_a', now()); CREATE TABLE a ();
    RESET SESSION AUTHORIZATION`);
}

/** What can be done to the engine's own table with a right to it. `T` is the table, `M` the attacker. */
const ON_THE_TABLE: readonly (readonly [what: string, right: string, sql: string, remedy: string])[] = [
  [
    "a trigger, with the right TRIGGER",
    "GRANT TRIGGER ON T TO M",
    "CREATE TRIGGER evil BEFORE INSERT OR UPDATE OR DELETE ON T FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()",
    "DROP TRIGGER evil ON",
  ],
  [
    "a trigger, with all rights on all tables",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO M",
    "CREATE TRIGGER evil AFTER DELETE ON T FOR EACH STATEMENT EXECUTE FUNCTION public.evil_trigger()",
    "DROP TRIGGER evil ON",
  ],
  [
    "a foreign key whose table has a trigger, with the right REFERENCES",
    "GRANT REFERENCES ON T TO M",
    "CREATE TABLE public.child (t bigint REFERENCES T ON DELETE CASCADE); CREATE TRIGGER evil AFTER DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.evil_trigger(); GRANT ALL ON public.child TO PUBLIC",
    "ALTER TABLE public.child DROP CONSTRAINT",
  ],
  [
    "a foreign key, with the right to reference one column",
    "GRANT REFERENCES (id) ON T TO M",
    "CREATE TABLE public.child (t bigint REFERENCES T ON DELETE CASCADE)",
    "ALTER TABLE public.child DROP CONSTRAINT",
  ],
];

describe.each(VICTIMS)("an attacker with a right to the tables of a %s", (kind) => {
  it.each(
    ON_THE_TABLE.flatMap((row) => TABLES.map((table) => [row[0], table, row[1], row[2], row[3]] as const)),
  )("the attacker cannot have code run with %s, of %s [G26]", (_what, table, right, sql, remedy) =>
    withDatabase((db) =>
      withVictim(db, kind, async (victim) => {
        const dir = writeFolder(FILES);
        await (await openMigrator(db, dir, {}, { connection: victim.connection })).up({ count: 1 });
        const name = (text: string) =>
          text.replaceAll(/\bT\b/g, `public.${table}`).replaceAll(/\bM\b/g, victim.attacker);
        await db.query(name(right));
        await victim.attack(name(sql));
        const tried = await tryAll(victim, dir, right.startsWith("GRANT TRIGGER") ? COMMANDS : FEW);
        expect(wrong(tried)).toEqual([]);
        expect(String(tried[0]?.error?.details.hint)).toContain(remedy);
      }),
    ),
  );
});

describe.each(VICTIMS)("the owner of the schema, whose table a %s trusts", (kind) => {
  it.each([
    [
      "a default that runs SQL",
      "ALTER TABLE T ALTER COLUMN name SET DEFAULT query_to_xml('SELECT public.evil()', true, true, '')::text",
    ],
    [
      "a generated column that calls a function of the server",
      "ALTER TABLE T ADD more text GENERATED ALWAYS AS (md5(name)) STORED",
    ],
    [
      "a check that runs SQL",
      "ALTER TABLE T ADD CHECK (query_to_xml('SELECT public.evil()', true, true, '') IS NOT NULL)",
    ],
    ["an index on an expression", "CREATE INDEX ON T (lower(name))"],
    ["a partial index", "CREATE INDEX ON T (id) WHERE length(name) > 3"],
    [
      "a trigger",
      "CREATE TRIGGER evil BEFORE INSERT ON T FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()",
    ],
  ])("the owner of the schema cannot have code run with %s", (_what, sql) =>
    withDatabase((db) =>
      withVictim(db, kind, async (victim) => {
        await db.query(`ALTER SCHEMA public OWNER TO ${victim.attacker}`);
        await victim.attack(`CREATE TABLE public.pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
          GRANT ALL ON public.pgmigrations, public.pgmigrations_id_seq TO PUBLIC`);
        const trusted = await tryAll(victim, writeFolder(FILES), FEW.slice(0, 1));
        expect(trusted.map(({ code }) => code)).toEqual(["succeeded"]);
        await victim.attack(sql.replaceAll(/\bT\b/g, "public.pgmigrations"));
        expect(wrong(await tryAll(victim, writeFolder(FILES), FEW))).toEqual([]);
        await db.query("ALTER SCHEMA public OWNER TO pg_database_owner");
      }),
    ),
  );

  it("the owner of the schema may own both tables of a migrated database, as the engine made them", () =>
    withDatabase((db) =>
      withVictim(db, kind, async (victim) => {
        const dir = writeFolder(FILES);
        await (await openMigrator(db, dir)).up({ count: 1 });
        await db.query(`ALTER SCHEMA public OWNER TO ${victim.attacker}; ALTER TABLE pgmigrations OWNER TO ${victim.attacker};
          ALTER TABLE pgmigrations_history OWNER TO ${victim.attacker}; GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
          GRANT ALL ON pgmigrations, pgmigrations_history, pgmigrations_id_seq, pgmigrations_history_id_seq TO PUBLIC`);
        const [up] = await tryAll(victim, dir, WRITING.slice(0, 1));
        expect([up?.code, up?.error?.message]).toEqual(["succeeded", undefined]);
        await db.query("ALTER SCHEMA public OWNER TO pg_database_owner");
      }),
    ));
});
