import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Option } from "commander";
import { CLI_COMMANDS } from "../../lib/cli/commands/index.ts";
import { ERROR_CODES } from "../../lib/core/index.ts";
import { blocks, codeSpans, REPOSITORY, readPage } from "./markdown.ts";

const skill = readPage("skills/cdk-pg-migrate/SKILL.md");
const agents = readPage("AGENTS.md");
const manifest: { files: string[]; scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(REPOSITORY, "package.json"), "utf8"),
);

/** The commands of a text, in blocks and in backticks, as words. */
function commandsIn(text: string, start: string): string[][] {
  const lines = [...codeSpans(text), ...blocks(text).flatMap((block) => block.text.split("\n"))];
  return lines
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length).trim().split(/\s+/));
}

describe("the skill file", () => {
  test("its front matter has the name of its folder and a description", () => {
    const [, matter = ""] = /^---\n([\s\S]*?)\n---\n/.exec(skill.text) ?? [];
    expect(matter).toMatch(/^name: cdk-pg-migrate$/m);
    expect(/^description: (.+)$/m.exec(matter)?.[1]?.length).toBeLessThanOrEqual(1_024);
  });

  const commands = commandsIn(skill.text, "npx cdk-pg-migrate ");

  test.each(commands)(
    "its command `%s` is a command of the table, with flags that it has",
    (name, ...rest) => {
      const command = CLI_COMMANDS.find((one) => one.name === name);
      const parameters = Object.values({ ...command?.input, ...command?.flags });
      const known = parameters.flatMap(({ written }) =>
        written.startsWith("-") ? [new Option(written).long] : [],
      );
      expect(known.length).toBeGreaterThan(0);
      expect(known).toEqual(expect.arrayContaining(rest.filter((word) => word.startsWith("--"))));
    },
  );

  test("it has a command for each step from a new migration to its approval", () => {
    const names = commands.map(([name]) => name);
    expect(names).toEqual(
      expect.arrayContaining(["create", "lint", "verify", "up", "plan", "status", "history", "down"]),
    );
  });

  test("the error codes that it names exist", () => {
    const named = codeSpans(skill.text).filter((span) => /^[A-Z][A-Z_]{3,}$/.test(span));
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((code) => !ERROR_CODES.some((known) => known === code))).toEqual([]);
  });
});

test("AGENTS.md names scripts that exist, and leads users of the package to the skill", () => {
  const scripts = commandsIn(agents.text, "npm run ").map(([script = ""]) => script);
  expect(scripts.length).toBeGreaterThan(1);
  expect(scripts.filter((script) => !(script in manifest.scripts))).toEqual([]);
  expect(agents.text).toContain("(skills/cdk-pg-migrate/SKILL.md)");
});

test("the package contains AGENTS.md, the skill and the pages that it links to", () => {
  expect(manifest.files).toEqual(expect.arrayContaining(["AGENTS.md", "skills", "docs"]));
});
