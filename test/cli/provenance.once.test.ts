import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { environmentOf, runCommand, writeProject } from "./command.ts";

it("a run that writes asks git for the revision once, and other runs do not ask", () =>
  withDatabase(async (db) => {
    const project = writeProject({ "1_a.sql": "SELECT 1;" });
    const bin = writeFolder({
      calls: "",
      git: '#!/bin/sh\necho asked >> "$GIT_CALLS"\necho 0123456789abcdef\n',
    });
    chmodSync(join(bin, "git"), 0o755);
    const calls = join(bin, "calls");
    const env = {
      ...environmentOf(db.connection),
      PATH: `${bin}:${process.env["PATH"]}`,
      GIT_CALLS: calls,
    };
    for (const command of ["status", "plan"]) await runCommand(project, [command], env);
    expect(readFileSync(calls, "utf8")).toBe("");
    for (const command of ["up", "up", "history"])
      expect((await runCommand(project, [command], env)).code).toBe(0);
    expect(readFileSync(calls, "utf8")).toBe("asked\n");
    expect(await db.query("SELECT revision FROM pgmigrations_history")).toEqual([
      { revision: "0123456789abcdef" },
    ]);
  }));
