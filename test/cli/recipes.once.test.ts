import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { Application, type Code } from "./application.ts";
import { environmentOf, runCommand, writeProject } from "./command.ts";

const ROWS = 5_000;

/** A change of a table in use by a recipe. */
interface Change {
  readonly recipe: string;
  readonly flags: readonly string[];
  /** The table, and rows in it; users has `id` from 1 to ROWS. */
  readonly before: string;
  /** The versions of the application, oldest first. The last one has run when the contract is applied. */
  readonly codes: readonly [Code, ...Code[]];
  /** The steps, in order. */
  readonly steps: readonly string[];
  /** A query that has no row at the end. */
  readonly wrong: string;
  /** What is to be seen of the columns of users at the end. */
  readonly columns: string;
}

const users = (column: string, rows: string) => `
  CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, ${column});
  INSERT INTO users ${rows};`;
const someUsers = (column: string, value: string) =>
  users(
    column,
    `(name, ${column.split(" ")[0]}) SELECT 'n' || n, ${value} FROM generate_series(1, ${ROWS}) AS n`,
  );

const CHANGES: readonly Change[] = [
  {
    recipe: "rename-column",
    flags: [
      "--table",
      "users",
      "--column",
      "mail",
      "--to",
      "order",
      "--type",
      "text",
      "--not-null",
      "--default",
      "'none'",
    ],
    before: someUsers("mail text NOT NULL DEFAULT 'none'", "'m' || n"),
    codes: [
      (id, n) => [
        `UPDATE users SET mail = 'old ${n}' WHERE id = ${id}`,
        `SELECT mail FROM users WHERE id = ${id}`,
        `INSERT INTO users (mail) VALUES ('new ${n}')`,
        "INSERT INTO users (name) VALUES ('x')",
      ],
      (id, n) => [
        `UPDATE users SET "order" = 'next ${n}' WHERE id = ${id}`,
        `SELECT "order" FROM users WHERE id = ${id}`,
        `INSERT INTO users ("order") VALUES ('new ${n}')`,
        "INSERT INTO users (name) VALUES ('x')",
        `DELETE FROM users WHERE id = ${id + ROWS}`,
      ],
    ],
    steps: ["expand", "backfill", "check", "validate", "contract"],
    wrong: `SELECT * FROM users WHERE "order" !~ '^(m|old |next |new )[0-9]+$|^none$'`,
    columns: "id bigint not null, name text, order text not null default 'none'::text",
  },
  {
    recipe: "change-type",
    flags: [
      "--table",
      "public.users",
      "--column",
      "points",
      "--type",
      "bigint",
      "--not-null",
      "--default",
      "0",
    ],
    before: someUsers("points int NOT NULL DEFAULT 0", "n"),
    codes: [
      (id, n) => [
        `UPDATE users SET points = points + 1 WHERE id = ${id}`,
        `SELECT points FROM users WHERE id = ${id}`,
        `INSERT INTO users (points) VALUES (${n})`,
        "INSERT INTO users (name) VALUES ('x')",
      ],
      (id) => [
        `UPDATE users SET points = 5000000000 WHERE id = ${id}`,
        `SELECT points FROM users WHERE id = ${id}`,
      ],
    ],
    steps: ["expand", "backfill", "check", "validate", "switch", "contract"],
    wrong: "SELECT * FROM users WHERE points > 1000000 AND points < 5000000000",
    columns: "id bigint not null, name text, points bigint not null default 0",
  },
  {
    recipe: "add-not-null",
    flags: ["--table", "users", "--column", "role", "--value", "'guest'"],
    before: someUsers("role text", "CASE WHEN n % 3 = 0 THEN 'admin' END"),
    codes: [
      (id, n) => [
        `UPDATE users SET role = NULL WHERE id = ${id}`,
        `INSERT INTO users (name) VALUES ('${n}')`,
        `UPDATE users SET name = '${n}' WHERE id = ${id}`,
      ],
      (id, n) => [
        `UPDATE users SET role = 'user' WHERE id = ${id}`,
        `INSERT INTO users (name, role) VALUES ('${n}', 'user')`,
      ],
    ],
    steps: ["expand", "backfill", "check", "validate", "contract"],
    wrong: "SELECT * FROM users WHERE role NOT IN ('admin', 'guest', 'user')",
    columns: "id bigint not null, name text, role text not null",
  },
  {
    recipe: "add-foreign-key",
    flags: ["--table", "users", "--column", "team", "--references", "teams", "--key", "number"],
    before: `CREATE TABLE teams (number bigint PRIMARY KEY); INSERT INTO teams SELECT generate_series(0, 9);${someUsers("team bigint", "n % 10")}`,
    codes: [
      (id, n) => [
        `UPDATE users SET team = ${n % 10} WHERE id = ${id}`,
        `INSERT INTO users (team) VALUES (${n % 10})`,
        `INSERT INTO teams VALUES (${n + 100})`,
        `DELETE FROM teams WHERE number = ${n + 100}`,
      ],
    ],
    steps: ["index", "expand", "validate"],
    wrong:
      "SELECT 'no index' WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('users_team_idx') AND indisvalid) UNION ALL SELECT 'no key' WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'users_team_fkey' AND convalidated)",
    columns: "id bigint not null, name text, team bigint",
  },
  {
    recipe: "split-table",
    flags: ["--table", "users", "--column", "street,city", "--to", "addresses", "--not-null"],
    before: users(
      "street text NOT NULL, city text NOT NULL",
      `(name, street, city) SELECT 'n' || n, 's' || n, 'c' || n FROM generate_series(1, ${ROWS}) AS n`,
    ),
    codes: [
      (id, n) => [
        `UPDATE users SET street = 's${n}', city = 'c${n}' WHERE id = ${id}`,
        `SELECT street FROM users WHERE id = ${id}`,
        `INSERT INTO users (street, city) VALUES ('s${n}', 'c${n}')`,
        `DELETE FROM users WHERE id = ${ROWS - (n % 500)}`,
      ],
      (id, n) => [
        `UPDATE users SET street = 's${n}', city = 'c${n}' WHERE id = ${id}`,
        `SELECT street FROM addresses WHERE id = ${id}`,
        `UPDATE users SET name = '${n}' WHERE id = ${id}`,
      ],
      (id, n) => [
        `UPDATE addresses SET street = 's${n}', city = 'c${n}' WHERE id = ${id}`,
        `UPDATE users SET name = '${n}' WHERE id = ${id}`,
        `WITH u AS (INSERT INTO users (name) VALUES ('x') RETURNING id) INSERT INTO addresses SELECT id, 's${n}', 'c${n}' FROM u`,
      ],
    ],
    steps: ["expand", "backfill", "contract"],
    wrong:
      "SELECT u.id FROM users AS u FULL JOIN addresses AS a USING (id) WHERE substr(street, 2) IS DISTINCT FROM substr(city, 2) OR u.id IS NULL OR a.id IS NULL",
    columns: "id bigint not null, name text",
  },
  {
    recipe: "drop-column",
    flags: ["--table", "users", "--column", "fax", "--not-null"],
    before: someUsers("fax text NOT NULL", "'f'"),
    codes: [
      (id, n) => [
        `UPDATE users SET fax = '${n}' WHERE id = ${id}`,
        `INSERT INTO users (fax) VALUES ('${n}')`,
      ],
      (id, n) => [
        `UPDATE users SET name = '${n}' WHERE id = ${id}`,
        `INSERT INTO users (name) VALUES ('${n}')`,
      ],
    ],
    steps: ["expand", "contract"],
    wrong: "SELECT 1 WHERE false",
    columns: "id bigint not null, name text",
  },
  {
    recipe: "add-index",
    flags: ["--table", "users", "--column", "city,name"],
    before: someUsers("city text", "'c'"),
    codes: [
      (id, n) => [
        `UPDATE users SET city = '${n}' WHERE id = ${id}`,
        `INSERT INTO users (city) VALUES ('${n}')`,
      ],
    ],
    steps: [""],
    wrong:
      "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('users_city_name_idx') AND indisvalid)",
    columns: "id bigint not null, name text, city text",
  },
  {
    recipe: "backfill",
    flags: ["--table", "users", "--column", "label", "--value", "upper(name)"],
    before: someUsers("label text", "CASE WHEN n % 2 = 0 THEN 'mine' END"),
    codes: [
      (id, n) => [
        `UPDATE users SET label = 'MINE' WHERE id = ${id}`,
        `INSERT INTO users (name, label) VALUES ('${n}', 'N')`,
      ],
    ],
    steps: [""],
    wrong: "SELECT * FROM users WHERE label IS NULL OR label NOT IN ('mine', 'MINE', 'N', upper(name))",
    columns: "id bigint not null, name text, label text",
  },
];

const COLUMNS = `SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
    'default ' || pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY a.attname) AS columns
  FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = 'users'::regclass AND a.attnum > 0 AND NOT a.attisdropped`;

/** Longer than a lock is held for, and much shorter than a statement that reads or rewrites a large table would hold it. */
const LONGEST_WAIT_MS = 2_000;

/** Applies the pending migrations as deploys do: one by one, the contract once the last version of the code has run. */
async function deploy(db: TestDatabase, dir: string, { codes, steps }: Change): Promise<Application> {
  const [first, ...others] = codes;
  const application = await Application.start(db, ROWS - 500, first);
  const next = async () => void (await (await openMigrator(db, dir)).up({ count: 1 }));
  for (const _ of steps.filter((step) => step !== "contract")) {
    await application.works();
    await next();
  }
  let before = first;
  for (const code of others) {
    await application.runs(before, code);
    await application.runs(code);
    before = code;
  }
  if (steps.includes("contract")) await next();
  await application.works();
  await application.stop();
  return application;
}

describe("the files of a recipe", () => {
  const create = async ({ recipe, flags, before }: Pick<Change, "recipe" | "flags" | "before">) => {
    const project = writeProject({
      "1_before.sql": `${before}\n-- irreversible: it is where the test begins\n`,
    });
    const { code, stdout, stderr } = await runCommand(project, [
      "create",
      "change",
      "--recipe",
      recipe,
      ...flags,
      "--json",
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    return { project, dir: join(project, "migrations"), report: JSON.parse(stdout) };
  };
  const namesOf = (steps: readonly string[]) =>
    steps.map((step) => expect.stringMatching(new RegExp(`^\\d+_change${step && `-${step}`}$`)));

  it.each(chosenCases(CHANGES, CHANGES.length))(
    "$recipe changes a table in use, while no statement of the application fails or waits for long",
    (change) =>
      withDatabase(async (db) => {
        const { dir, report } = await create(change);
        expect(report.migrations.map(({ name }: { name: string }) => name)).toEqual(namesOf(change.steps));
        await (await openMigrator(db, dir)).up({ count: 1 });
        const application = await deploy(db, dir, change);
        expect(application.failures).toEqual([]);
        expect(application.slowestMs).toBeLessThan(LONGEST_WAIT_MS);
        expect(await db.query(change.wrong)).toEqual([]);
        const [columns] = await db.query<{ columns: string }>(COLUMNS);
        expect(columns?.columns.split(", ").sort()).toEqual(change.columns.split(", ").sort());
        expect((await (await openMigrator(db, dir)).status()).counts.pending).toBe(0);
        const functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
        expect(await db.query(functions)).toEqual([]);
      }),
  );

  it.each(chosenCases(CHANGES, CHANGES.length))(
    "$recipe gives lint nothing to complain about, before it and with its contract left, and verify neither",
    (change) =>
      withDatabase(async (db) => {
        const { project, dir } = await create(change);
        const env = environmentOf(db.connection);
        await (await openMigrator(db, dir)).up({ count: 1 });
        const lint = async () => JSON.parse((await runCommand(project, ["lint", "--json"], env)).stdout);
        expect(await lint()).toMatchObject({ ok: true, findings: [] });
        expect(await runCommand(project, ["verify"], env)).toMatchObject({ code: 0 });
        if (!change.steps.includes("contract")) return;
        await (await openMigrator(db, dir)).up({ count: change.steps.length - 1 });
        expect(await lint()).toMatchObject({ ok: true, findings: [] });
      }),
  );

  it("names are quoted where they have to be, and those that are derived are not too long", () =>
    withDatabase(async (db) => {
      const column = `Long ${"x".repeat(50)}`;
      const before = `CREATE SCHEMA "my Shop"; CREATE TABLE "my Shop".orders (id bigint PRIMARY KEY, "${column}" text);`;
      const flags = ["--table", '"my Shop".orders', "--column", `"${column}"`, "--value", "''"];
      const { dir } = await create({ recipe: "add-not-null", flags, before });
      await (await openMigrator(db, dir)).up();
      const [row] = await db.query("SELECT attnotnull FROM pg_attribute WHERE attname = $1", [column]);
      expect(row).toEqual({ attnotnull: true });
    }));
});

describe("create --recipe", () => {
  const refused = async (...args: string[]) => {
    const project = writeProject({});
    const outcome = await runCommand(project, ["create", "change", ...args]);
    expect(existsSync(join(project, "migrations"))).toBe(false);
    return outcome;
  };

  it.each([
    [["--recipe", "change-type", "--table", "users"], "recipe change-type needs --column, --type"],
    [
      ["--recipe", "add-index", "--table", "a", "--column", "b", "--type", "int"],
      "recipe add-index takes no --type",
    ],
    [["--table", "users"], "--table is for a recipe, and none is given"],
    [
      ["--recipe", "add-index", "--table", "a.b.c", "--column", "b"],
      '--table must be a table as SQL writes it, not "a.b.c"',
    ],
    [
      ["--recipe", "add-index", "--table", "a", "--column", "b;c"],
      '--column must be a name as SQL writes it, not "b;c"',
    ],
    [
      ["--recipe", "add-index", "-j", "ts", "--table", "a", "--column", "b"],
      "a recipe is written as SQL, not as ts",
    ],
    [
      [
        "--recipe",
        "rename-column",
        "--table",
        "users",
        "--column",
        "Email",
        "--to",
        "email",
        "--type",
        "text",
      ],
      "--to and --column are the same name: email",
    ],
    [
      ["--recipe", "split-table", "--table", "users", "--column", "note", "--to", '"users"'],
      "--to and --table are the same name: users",
    ],
    [["--recipe", "add-magic"], "Allowed choices are rename-column"],
  ])("create %j is refused, and writes nothing", async (args, message) => {
    const { code, stderr } = await refused(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it("create --recipe lists the files in their order, which follow the newest migration", async () => {
    const dir = writeFolder({});
    addFiles(dir, { "migrations/9000000000000_future.sql": "SELECT 1;" });
    const { stdout } = await runCommand(dir, [
      "create",
      "no fax",
      "--recipe",
      "drop-column",
      "--table",
      "users",
      "--column",
      "fax",
    ]);
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "Created migrations/9000000000001_no-fax-expand.sql",
      "Created migrations/9000000000002_no-fax-contract.sql",
    ]);
  });
});
