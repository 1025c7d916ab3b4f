import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { environmentOf, runCommand, writeProject } from "./command.ts";

const PROJECT = writeProject({ "1_a.sql": "SELECT 1" });
const PASSWORD = "s3cret-p4ssword";

it("PG* variables are not read, and a note says so", () =>
  withDatabase(async ({ connection }) => {
    const PGs = {
      PGHOST: "no-such-host.invalid",
      PGPASSWORD: PASSWORD,
      PGOPTIONS: "-c search_path=nowhere",
    };
    const { stdout, stderr } = await runCommand(PROJECT, ["status"], { ...PGs, CI: "1" });
    expect(stdout).toContain(
      "Note: PGHOST, PGPASSWORD are not read here; set DATABASE_* or DATABASE_URL instead.",
    );
    expect(stdout + stderr).not.toContain(PASSWORD);
    const settled = await runCommand(PROJECT, ["status"], { ...PGs, ...environmentOf(connection) });
    expect([settled.code, settled.stdout.includes("Note:")]).toEqual([0, false]);
  }));

it(".env is read, and the environment takes precedence", () =>
  withDatabase(async ({ connection }) => {
    const project = writeProject({ "1_a.sql": "SELECT 1" });
    const lines = Object.entries({ ...environmentOf(connection), DATABASE_NAME: "not_there" });
    addFiles(project, { ".env": lines.map(([name, value]) => `${name}='${value}'\n`).join("") });
    expect((await runCommand(project, ["status"])).stderr).toContain("DATABASE_NOT_FOUND");
    const { code } = await runCommand(project, ["status"], { DATABASE_NAME: connection.database });
    expect(code).toBe(0);
  }));

it("a URL together with parts is a usage error without the password", async () => {
  const env = { DATABASE_HOST: "127.0.0.1", DATABASE_URL: `postgres://u:${PASSWORD}@127.0.0.1/d` };
  const { code, stderr } = await runCommand(PROJECT, ["status"], env);
  expect(code).toBe(2);
  expect(stderr).toContain("are both set");
  expect(stderr).not.toContain(PASSWORD);
});
