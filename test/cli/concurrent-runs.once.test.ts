import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { environmentOf, runInOwnProcess, writeProject } from "./command.ts";

const MIGRATIONS = {
  "1_table.ts":
    'import { NAME } from "./helpers/name.ts";\nexport const up = (pgm) => pgm.createTable(NAME, { id: "id", x: "int" });\n',
  "2_rows.sql": "INSERT INTO t (x) SELECT generate_series(1, 10000);",
  "3_index.sql":
    "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t_x ON t (x);\nCREATE INDEX CONCURRENTLY t_id_x ON t (id, x);",
  "4_more.ts": 'export const up = (pgm) => pgm.addColumns("t", { y: "text" });\n',
  "helpers/name.ts": 'export const NAME = "t";\n',
};

it("twenty runs at once with an empty cache all succeed, and each migration is applied once", () =>
  withDatabase(async (db) => {
    const project = writeProject(MIGRATIONS);
    // No cache of an earlier run: it would lie in the temporary folder.
    const env = { ...environmentOf(db.connection), TMPDIR: project };
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => runInOwnProcess(project, ["up"], env)),
    );
    expect(outcomes.filter(({ code }) => code !== 0)).toEqual([]);
    expect(await appliedNames(db)).toEqual(["1_table", "2_rows", "3_index", "4_more"]);
    expect(await db.query("SELECT count(*)::int AS n FROM t")).toEqual([{ n: 10_000 }]);
    expect(
      await db.query(
        "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid ORDER BY 1",
      ),
    ).toHaveLength(3);
    const finished = await db.query(
      "SELECT migration FROM pgmigrations_history WHERE state = 'finished' ORDER BY id",
    );
    expect(finished).toHaveLength(4);
    const applied = outcomes.flatMap(
      ({ stdout }) => stdout.match(/(?<=✓ (?:\[\d\/\d\] )?applied )\S+/g) ?? [],
    );
    expect(applied.toSorted()).toEqual(["1_table", "2_rows", "3_index", "4_more"]);
  }));
