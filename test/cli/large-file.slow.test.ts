import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { chosenCases } from "../support/postgres.ts";
import { COMMAND, environmentOf, startProgram, writeProject } from "./command.ts";

const PRELOAD = fileURLToPath(new URL("./peak-memory.mjs", import.meta.url));
const CREATE = "CREATE TABLE big (id int, name text, note text);";

/** Each statement is about that long, with what has to be escaped in a literal and in JSON. */
function inserts(count: number, length: number): string {
  const note = "it''s \\ \"the end\"\t é".padEnd(length - 50, "-");
  return Array.from({ length: count }, (_, n) => `INSERT INTO big VALUES (${n}, 'name', '${note}');\n`).join(
    "",
  );
}

/** Applies the migration; returns the memory that was needed at most, in bytes. */
async function up(db: TestDatabase, sql: string, nodeOptions: readonly string[] = []): Promise<number> {
  const project = writeProject({ "1_big.sql": sql });
  const peak = join(project, "peak");
  const args = [...nodeOptions, "--import", PRELOAD, COMMAND, "up"];
  const env = { ...environmentOf(db.connection), PEAK_FILE: peak };
  const { code, stderr } = await startProgram(project, process.execPath, args, env).ended;
  expect([code, stderr]).toEqual([0, ""]);
  return Number(readFileSync(peak, "utf8"));
}

/** The SQL that the history holds of the migration. */
async function recorded(db: TestDatabase): Promise<string | undefined> {
  const [row] = await db.query<{ digest: string }>(
    "SELECT md5(up_sql->>0) AS digest FROM pgmigrations_history",
  );
  return row?.digest;
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

describe("a large SQL file", () => {
  it("a file of 10 MB and 100,000 statements is applied and recorded in a heap of 300 MB", () =>
    withDatabase(async (db) => {
      const sql = `BEGIN;\n${CREATE}\n${inserts(100_000, 110)}COMMIT;`;
      expect(sql.length).toBeGreaterThan(10_000_000);
      await up(db, sql, ["--max-old-space-size=300"]);
      expect(await db.query("SELECT count(*)::int AS rows, min(note) AS note FROM big")).toEqual([
        { rows: 100_000, note: 'it\'s \\ "the end"\t é'.padEnd(59, "-") },
      ]);
      const blank = sql.replace("BEGIN", "     ").replace("COMMIT", "      ");
      expect(await recorded(db)).toBe(md5(blank));
    }));

  it.each(
    chosenCases(
      [
        ["many statements", inserts(30_000, 1_050)],
        [
          "one statement of many rows",
          `INSERT INTO big VALUES (0, '', '')${",\n(1, 'name', 'a note of some thirty characters')".repeat(650_000)};`,
        ],
      ],
      2,
    ),
  )("a file of 30 MB is applied in a heap of 200 MB and a process of 400 MB: %s", (_, statements) =>
    withDatabase(async (db) => {
      const sql = `${CREATE}\n${statements}`;
      expect(sql.length).toBeGreaterThan(30_000_000);
      // Without a limit, the peak depends on when garbage is collected.
      expect(await up(db, sql, ["--max-old-space-size=200"])).toBeLessThan(400_000_000);
      expect(await recorded(db)).toBe(md5(sql.trim()));
    }),
  );
});
