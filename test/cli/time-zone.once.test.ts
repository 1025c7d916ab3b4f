import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { environmentOf, runCommand, writeProject } from "./command.ts";

const down = (name: string) => `SELECT 1;\n-- Down Migration\nSELECT '${name}';`;

it("laptops in other time zones do not change which migration down picks", () =>
  withDatabase(async (db) => {
    const names = ["1_a", "2_b", "3_c", "4_d"];
    const project = writeProject(Object.fromEntries(names.map((name) => [`${name}.sql`, down(name)])));
    const zones = ["Asia/Tokyo", "America/Los_Angeles"];
    const run = (command: string, turn: number) =>
      runCommand(project, [command, "1"], { ...environmentOf(db.connection), TZ: zones[turn % 2] ?? "" });
    for (const turn of names.keys()) expect((await run("up", turn)).code).toBe(0);
    const [times] = await db.query<{ ordered: boolean; recent: boolean }>(
      `SELECT array_agg(name::text ORDER BY run_on, id) = array_agg(name::text ORDER BY id) AS ordered,
              bool_and(abs(extract(epoch FROM run_on - now() AT TIME ZONE 'UTC')) < 120) AS recent FROM pgmigrations`,
    );
    expect(times).toEqual({ ordered: true, recent: true });
    for (const turn of names.keys()) {
      expect(await appliedNames(db)).toEqual(names.slice(0, names.length - turn));
      expect((await run("down", turn)).stdout).toContain(`undid ${names.at(-1 - turn)}`);
    }
  }));
