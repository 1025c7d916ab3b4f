import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { environmentOf, jsonOf, startCommand, until } from "./command.ts";
import { ALL, LIST, leftovers, openTestFleet, recordsOf, tenant, untilAsleep } from "./fleets.ts";

it("a fleet of 50 schemas whose command is killed in its second wave is finished by the same command [G80]", () =>
  withDatabase(async (db) => {
    const fleet = await openTestFleet(db, 50);
    await fleet.poison([tenant(12), tenant(13)], 60);
    const args = ["fleet", "up", "--tolerate", "2", "--targets", LIST];
    const killed = startCommand(fleet.project, args, environmentOf(db.connection));
    await untilAsleep(db);
    killed.send("SIGKILL");
    await killed.ended;
    await db.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    await until(async () => (await leftovers(db)) === 0, "the end of the killed sessions");
    await fleet.cure();
    await fleet.poison([tenant(7), tenant(31)]);
    const again = await fleet.run("up --tolerate 2 --json");
    // The seventh was migrated before the command was killed.
    expect(jsonOf(again)).toMatchObject({ ok: true, counts: { done: 49, failed: 1, untouched: 0 } });
    await fleet.cure();
    expect((await fleet.run("up")).code).toBe(0);
    expect([...(await recordsOf(db)).values()]).toEqual(Array(50).fill(ALL));
  }));

it("two commands on the same fleet at once migrate each schema once", () =>
  withDatabase(async (db) => {
    const fleet = await openTestFleet(db, 20);
    const run = (...canary: string[]) =>
      startCommand(
        fleet.project,
        ["fleet", "up", "--canary", ...canary, "--targets", LIST],
        environmentOf(db.connection),
      ).ended;
    const ended = await Promise.all([run("1"), run(tenant(20))]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    expect([...(await recordsOf(db)).values()]).toEqual(Array(20).fill(ALL));
  }));
