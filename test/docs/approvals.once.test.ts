import { expect, test } from "@jest/globals";
import { parseOperateRequest } from "../../lambda/operate/answer.ts";
import { environmentOf, runCommand, writeProject } from "../cli/command.ts";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { firstBlock, readPage } from "./markdown.ts";

const page = readPage("docs/approvals.md");

test("the commands of docs/approvals.md plan, and run what was planned", () =>
  withDatabase(async (db) => {
    const project = writeProject({ "1_a.sql": "CREATE TABLE a ();" });
    const lines = firstBlock(page.text, "sh").trim().split("\n");
    for (const line of lines) {
      const [, command = "", flags = ""] = /^npm run migrate:(\w+) -- (.+)$/.exec(line) ?? [];
      const outcome = await runCommand(project, [command, ...flags.split(" ")], environmentOf(db.connection));
      expect([line, outcome.code]).toEqual([line, 0]);
    }
    expect(lines).toHaveLength(2);
    expect(await appliedNames(db)).toEqual(["1_a"]);
  }));

test("the operate function takes the payload of docs/approvals.md", () => {
  const payload = JSON.parse(firstBlock(page.text, "json"));
  const request = parseOperateRequest(payload, { database: "aws_framework", allowDown: true });
  expect(request.command).toBe("down");
});
