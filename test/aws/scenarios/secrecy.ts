import { describe, expect, test } from "@jest/globals";
import type { Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";

const STATUS = "on-status.handler";
const OPERATE = "on-operate.handler";

/** In SQL and in JavaScript, as people write them into migrations. */
const quoted = (secret: string): string => `'${secret.replaceAll("'", "''")}'`;
const code = (secret: string): string => JSON.stringify(secret);

/** As people and libraries put a password into a text. */
function formsOf(password: string): readonly string[] {
  const url = new URL("postgres://me@host/db");
  url.password = password;
  return [
    `raw: ${password}`,
    `JSON: ${JSON.stringify({ password })}`,
    `component: postgres://me:${encodeURIComponent(password)}@host/db`,
    `URL: ${url.href}`,
    `form: ${new URLSearchParams({ password })}`,
  ];
}

/** Migrations that fail with a password in them: the role exists, the SQL is wrong after it, its quotes stay open. */
function leaky(make: () => string): readonly (readonly [string, string])[] {
  const role = `pgm.createRole("pg_monitor", { login: true, password: ${code(make())} })`;
  return [
    ["1_role.sql", sql(`CREATE ROLE pg_monitor LOGIN PASSWORD ${quoted(make())};`)],
    ["1_role.sql", sql(`CREATE ROLE some_role PASSWORD ${quoted(make())} NONSENSE;`)],
    ["1_role.sql", sql(`ALTER ROLE some_role PASSWORD ${quoted(make()).slice(0, -1)};`)],
    ["1_role.ts", `export const up = (pgm) => ${role};`],
  ];
}

export const secrecy: Scenarios = (aws) =>
  describe("a secret that gets into a migration", () => {
    test("the reason of a failed deploy names the migration and no secret, nor do history and plan", async () => {
      const { withStack, deployable, secrets } = aws();
      await withStack({}, async ({ stack }) => {
        for (const [fileName, text] of leaky(() => secrets.make("Qu'o\\te@"))) {
          const created = await stack.create(await deployable({ [fileName]: text }));
          expect(created).toMatchObject({ status: "FAILED", reason: expect.stringContaining("1_role") });
          expect(await stack.invoke(STATUS, { command: "history" })).toMatchObject({ failed: false });
          expect(await stack.invoke(STATUS, { command: "plan" })).toMatchObject({ failed: false });
        }
      });
    });

    test("the password of the database itself is taken out of notices, logs and errors, in any form", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const forms = formsOf(db.password);
        const notices = forms.map((form) => `RAISE NOTICE '%', ${quoted(form)};`).join("\n");
        const up = { command: "up", confirm: db.name };
        // What is too long is cut: wherever that is, it goes through one of these.
        for (const text of [forms.join("\n"), `${db.password} `.repeat(40)]) {
          const failed = await stack.create(
            await deployable({
              "1_notices.sql": sql(`DO $leak$ BEGIN ${notices} END $leak$;`),
              "2_thrown.ts": `export const up = () => { throw new Error(${code(text)}); };`,
            }),
          );
          expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringContaining("2_thrown") });
          expect((await stack.invoke(OPERATE, up)).payload).toMatchObject({ ok: false });
        }
        const raised = sql(`DO $leak$ BEGIN RAISE EXCEPTION '%', ${quoted(forms.join("\n"))}; END $leak$;`);
        await stack.update(await deployable({ "1_notices.sql": sql("SELECT 1;"), "2_raised.sql": raised }));
        await stack.invoke(OPERATE, { command: "repair", confirm: db.name });
        expect((await stack.invoke(OPERATE, up)).payload).toMatchObject({
          ok: false,
          error: { code: "SQL" },
        });
      });
    });

    test("an error thrown late outside the engine shows no secret", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack }) => {
        const late = `export const up = (pgm) => { setTimeout(() => { throw new Error("late"); }, 0); pgm.sql("SELECT pg_sleep(1)"); };`;
        const created = await stack.create(await deployable({ ...tables(1), "2_late.ts": late }));
        expect(created).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/late/) });
      });
    });
  });
