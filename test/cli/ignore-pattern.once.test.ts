import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const FILES = {
  "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
  "template.ts": "not code",
};

describe("a file beside the migrations that is not a migration", () => {
  it("the file is refused without the advice to make it a migration", () =>
    withDatabase(async (db) => {
      const { code, stderr } = await runCommand(writeProject(FILES), ["up"], environmentOf(db.connection));
      expect(code).toBe(1);
      expect(stderr).toContain("template.ts has no numeric prefix");
      expect(stderr).toContain("exclude it by the ignore pattern");
      expect(stderr).not.toContain("rename");
    }));

  it.each([["status"], ["plan"], ["lint"], ["up"], ["history"], ["dump"], ["create add-b"]])(
    "the file is left out by --ignore-pattern: %s",
    (command) =>
      withDatabase(async (db) => {
        const args = [...command.split(" "), "--ignore-pattern", "template.*", "--json"];
        const outcome = await runCommand(writeProject(FILES), args, environmentOf(db.connection));
        expect(jsonOf(outcome)).toMatchObject({ ok: true });
        expect(outcome.code).toBe(0);
      }),
  );

  it("an ignore pattern that is not a regular expression is refused", async () => {
    const { code, stderr } = await runCommand(
      writeProject(FILES),
      ["create", "b", "--ignore-pattern", "("],
      {},
    );
    expect(code).toBe(2);
    expect(stderr).toContain("ignore pattern is not a regular expression: (");
  });
});
