import { expect, test } from "@jest/globals";
import type { DeployKnowledge, Migrator } from "../../lib/engine/index.ts";
import { environmentOf, runCommand } from "../cli/command.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator } from "../support/migrator.ts";
import { blocks, firstBlock, readPage, section } from "./markdown.ts";

const page = readPage("docs/zero-downtime.md").text;
const CONTRACT = "1790000000004_drop-name";

/** The files that a part of the page shows. */
function filesOf(heading: string): Record<string, string> {
  const named = blocks(section(page, heading)).flatMap(({ lead, text }) => {
    const name = /(?:^|\n)`([\w./-]+\.sql)`:$/.exec(lead)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(named);
}

function deployOf(
  db: TestDatabase,
  dir: string,
  bundle: string,
  previous: DeployKnowledge["previous"],
): Promise<Migrator> {
  const provenance = { actor: "shop/Migrations", origin: "deploy", bundle, tool: "test" } as const;
  return openMigrator(db, dir, {}, { provenance, deploy: { previous } });
}

test("the example of docs/zero-downtime.md serves the code of every release that can run, and loses no name", () =>
  withDatabase(async (db) => {
    const release = (hash: string, contracts: readonly string[] = []) => ({
      release: hash,
      revision: undefined,
      contracts,
    });
    const oldCode = () => db.query("INSERT INTO customers (name) VALUES ('old code')");
    const newCode = () => db.query("INSERT INTO customers (full_name) VALUES ('new code')");
    const dir = writeFolder({
      "1790000000001_create-customers.sql": firstBlock(section(page, "An example"), "sql"),
    });
    await (await deployOf(db, dir, "R0", undefined)).up();
    await oldCode();

    addFiles(dir, filesOf("Release 1: expand"));
    await (await deployOf(db, dir, "5d41402abc4b0", release("R0"))).up();
    await oldCode();
    await newCode();
    await db.query("UPDATE customers SET name = name || '!' WHERE id = 1");
    await db.query("UPDATE customers SET full_name = full_name || '?' WHERE id = 2");

    addFiles(dir, filesOf("Release 2: switch"));
    const second = await (await deployOf(db, dir, "R2", release("5d41402abc4b0"))).up();
    expect(second.waiting.map(({ migration }) => migration)).toEqual([CONTRACT]);
    // A rollback returns to release 1, whose code may still be the old one.
    await oldCode();
    await newCode();
    const names = await db.query("SELECT id, full_name FROM customers WHERE full_name = name ORDER BY id");
    expect(names.map(({ full_name }) => full_name)).toEqual([
      "old code!",
      "old code?",
      "new code",
      "old code",
      "new code",
    ]);
    const { stdout } = await runCommand(
      dir,
      ["status", "--migrations-dir", "."],
      environmentOf(db.connection),
    );
    expect(withoutTimes(stdout)).toBe(withoutTimes(firstBlock(section(page, "Release 3: contract"), "text")));

    await (await deployOf(db, dir, "R3", release("R2", [CONTRACT]))).up();
    await newCode();
    expect((await appliedNames(db)).at(-1)).toBe(CONTRACT);
    expect(await db.query("SELECT id, full_name FROM customers ORDER BY id LIMIT 5")).toEqual(names);
  }));

/** Without the line of the command, or of the database, and with the times of no run. */
function withoutTimes(text: string): string {
  return text
    .replace(/^(?:\$|Database ).*\n/, "")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, "<time>")
    .trimStart()
    .trimEnd();
}
