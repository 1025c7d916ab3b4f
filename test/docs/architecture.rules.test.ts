import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { REPOSITORY, readPage } from "./markdown.ts";

const page = readPage("docs/architecture.md").text;

/** Cells of the first column of the table that has this heading. */
function firstColumn(heading: string): string[] {
  const rows =
    page
      .slice(page.indexOf(`| ${heading}`))
      .split("\n\n")[0]
      ?.split("\n")
      .slice(2) ?? [];
  return rows.map((row) => (row.split("|")[1] ?? "").replaceAll("`", "").trim());
}

test("the page on architecture names files that exist", () => {
  const paths = [...page.matchAll(/`((?:bin|lib|lambda)\/[\w./-]+)`/g)].map(([, path]) => path ?? "");
  expect(paths.length).toBeGreaterThan(15);
  const missing = paths.filter((path) =>
    [path, `${path}.ts`].every((name) => !existsSync(join(REPOSITORY, name))),
  );
  expect(missing).toEqual([]);
});

test("the page on architecture lists every room of lib", () => {
  const rooms = readdirSync(join(REPOSITORY, "lib"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `lib/${name}`);
  expect(firstColumn("room").toSorted()).toEqual(["lambda", ...rooms].toSorted());
});
