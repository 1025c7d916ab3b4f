import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { findLocal, resetLocal } from "../../lib/embedded/index.ts";
import { ask } from "../support/launcher.ts";
import { type Ended, freshEnvironment, run } from "./commands.ts";
import { firstBlock, REPOSITORY, readPage } from "./markdown.ts";

const FIVE_MINUTES = 300_000;

test(
  "the README's first command installs, migrates and prints what the README shows",
  async () => {
    const { text } = readPage("README.md");
    const command = firstBlock(text, "sh").trim();
    await withCopy(async (dir) => {
      const first = await inTerminal(dir, command);
      expect(first).toMatchObject({ exitCode: 0 });
      expect(masked(ownLines(first.stdout))).toBe(masked(firstBlock(text, "text")));
      expect(await tablesIn(dir)).toEqual(["field_definitions", "object_definitions", "object_fields"]);

      const second = await inTerminal(dir, command);
      expect(second).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Nothing to do") });

      expect(await inTerminal(dir, "npm run db:stop")).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining("Stopped"),
      });
      expect(await findLocal({ projectDir: dir })).toBeUndefined();
    });
  },
  FIVE_MINUTES,
);

/** A fresh checkout outside the repository, as git would make it. */
async function withCopy(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-quickstart-"));
  // A clone is not private either: as root, the server's user has to get at its data.
  chmodSync(dir, 0o755);
  try {
    const listed = execFileSync("git", ["ls-files", "-coz", "--exclude-standard"], {
      cwd: REPOSITORY,
      encoding: "utf8",
    });
    for (const file of new Set(listed.split("\0"))) {
      const from = join(REPOSITORY, file);
      if (file !== "" && existsSync(from)) cpSync(from, join(dir, file), { recursive: true });
    }
    await test(dir);
  } finally {
    await resetLocal({ projectDir: dir });
    await rm(dir, { recursive: true, force: true });
  }
}

function inTerminal(dir: string, command: string): Promise<Ended> {
  return run("bash", ["-c", command], {
    cwd: dir,
    env: {
      ...freshEnvironment(),
      npm_config_prefer_offline: "true",
      npm_config_audit: "false",
      npm_config_fund: "false",
      // Everything has to work without the install scripts of dependencies.
      npm_config_ignore_scripts: "true",
    },
    timeoutMs: FIVE_MINUTES / 2,
  });
}

/** What the command itself prints, after the lines of npm. */
function ownLines(stdout: string): string {
  const lines = stdout.split("\n");
  return lines.slice(lines.findLastIndex((line) => line.startsWith("> ")) + 1).join("\n");
}

function masked(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replace(/\b\d+ ms\b|\b\d+\.\d s\b/g, "TIME")
    .trim();
}

async function tablesIn(projectDir: string): Promise<unknown[]> {
  const server = await findLocal({ projectDir });
  if (server === undefined) throw new Error("no server runs");
  const rows = await ask(
    server,
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'pgmigrations%' ORDER BY 1",
  );
  return rows.flat();
}
