import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { compareMigrations, MigrationError, numericPrefix } from "../../lib/core/index.ts";
import { readFolder } from "../../lib/folder/index.ts";
import { classifyFileName } from "../../lib/folder/listing.ts";
import { projects } from "./folders.ts";

const make = projects();

function folderOf(...names: string[]): string {
  return make(Object.fromEntries(names.map((name) => [`migrations/${name}`, ""]))).dir;
}

async function refusal(dir: string, ignorePattern?: string): Promise<MigrationError> {
  const error: unknown = await readFolder(dir, ignorePattern === undefined ? {} : { ignorePattern }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof MigrationError) return error;
  throw new Error(`not refused as it should be: ${error}`);
}

describe("listed migrations", () => {
  test.each([
    ["001_a.ts", "001_a", "module"],
    ["001_a.js", "001_a", "module"],
    ["001_a.mjs", "001_a", "module"],
    ["001_a.cjs", "001_a", "module"],
    ["001_a.mts", "001_a", "module"],
    ["001_a.cts", "001_a", "module"],
    ["001_a.sql", "001_a", "sql"],
    ["001_A.SQL", "001_A", "sql"],
    ["001.sql", "001", "sql"],
    ["1a.ts", "1a", "module"],
    ["20240131120000123_a b's.ts", "20240131120000123_a b's", "module"],
    ["001_a.b.ts", "001_a.b", "module"],
  ])("%s is the migration %s (%s)", async (file, name, kind) => {
    const { entries } = await readFolder(folderOf(file));
    expect(entries).toEqual([{ name, fileName: file, files: [file], kind }]);
  });

  test("an up and a down file are one migration", async () => {
    const { entries } = await readFolder(folderOf("001_a.down.sql", "001_a.up.sql", "002_b.UP.sql"));
    expect(entries).toEqual([
      { name: "001_a", fileName: "001_a.sql", files: ["001_a.up.sql", "001_a.down.sql"], kind: "pair" },
      { name: "002_b", fileName: "002_b.sql", files: ["002_b.UP.sql"], kind: "pair" },
    ]);
  });

  test.each(["001_A", "001_caf\u00e9"])(
    "the two files of the pair %s are not reported as names that look the same",
    async (name) => {
      const { entries } = await readFolder(folderOf(`${name}.down.sql`, `${name}.up.sql`));
      expect(entries).toMatchObject([{ name, kind: "pair" }]);
    },
  );

  test("an empty folder has no migrations", async () => {
    expect((await readFolder(folderOf())).entries).toEqual([]);
  });

  test("migrations are ordered by number, a date of 17 digits by its milliseconds", async () => {
    const { entries } = await readFolder(folderOf("1704067200001_c.ts", "20240101000000000_b.ts", "9_a.ts"));
    expect(entries.map(({ name }) => name)).toEqual(["9_a", "20240101000000000_b", "1704067200001_c"]);
  });

  test("links to files are migrations, links to folders are not", async () => {
    const { root, dir } = make({ "elsewhere/a.sql": "" });
    symlinkSync(join(root, "elsewhere/a.sql"), join(dir, "001_a.sql"));
    symlinkSync(join(root, "elsewhere"), join(dir, "002_b.sql"));
    expect((await readFolder(dir)).entries.map(({ name }) => name)).toEqual(["001_a"]);
  });
});

describe("ignored files", () => {
  test.each([
    ".keep",
    ".001_a.ts.swp",
    "README.md",
    "package.json",
    "notes",
    "001_a.md",
    "001_a.txt",
    "001_a.json",
    "001_a.js.map",
    "001_a.d.ts",
    "types.d.ts",
    "001_a.d.mts",
    "001_a.d.cts",
    "001_a.ts~",
    "001_a.ts.swp",
    "001_a.ts.orig",
    "001_a.ts.bak",
    "#001_a.ts#",
  ])("%s is ignored", async (file) => {
    expect((await readFolder(folderOf(file))).entries).toEqual([]);
  });

  test("subfolders are ignored, whatever their name", async () => {
    const dir = folderOf();
    for (const name of ["helpers", "001_a.ts", "002_b.py"]) mkdirSync(join(dir, name));
    expect((await readFolder(dir)).entries).toEqual([]);
  });

  test("the ignore pattern applies to whole file names", async () => {
    const dir = folderOf("001_a.ts", "001_a.test.ts", "helper.ts");
    const { entries } = await readFolder(dir, { ignorePattern: ".*\\.test\\.ts|helper\\.ts" });
    expect(entries.map(({ name }) => name)).toEqual(["001_a"]);
    const half = await readFolder(folderOf("001_a.ts", "002_b.ts"), { ignorePattern: "001" });
    expect(half.entries).toHaveLength(2);
  });
});

describe("refused folders", () => {
  test.each([
    [["create-users.ts"], /create-users\.ts has no numeric prefix/, /subfolder/],
    [["_1_a.sql"], /no numeric prefix/, /begins with a number/],
    [["001_a.sqll"], /001_a\.sqll has the unknown extension "\.sqll"/, /\.sql/],
    [["001_a.py"], /unknown extension "\.py"/, /move/],
    [["001_a"], /001_a has no extension/, /\.ts/],
    [["001_a.js", "001_a.sql"], /001_a\.js, 001_a\.sql would be one migration, "001_a"/, /keep one/],
    [["001_a.sql", "001_a.up.sql"], /would be one migration/, /keep one/],
    [["001_a.down.sql"], /down file without its up file/, /add 001_a\.up\.sql/],
    [["001_a.down.sql", "001_a.ts"], /would be one migration/, /keep one/],
    [["001_a.ts", "001_A.ts"], /differ only by upper and lower case/, /rename/],
    [["001_\u00e9.ts", "001_e\u0301.ts"], /accents/, /rename/],
    [["001_a\tb.ts"], /cannot be read: "001_a\\tb"/, /rename/],
    [["99999999999999999_a.ts"], /neither a number nor a UTC date/, /prefix/],
  ])("the folder is refused: %j", async (files, message, hint) => {
    const error = await refusal(folderOf(...files));
    expect(error).toMatchObject({
      name: "MigrationError",
      code: "MIGRATION",
      message: expect.stringMatching(message),
    });
    expect(String(error.details.hint)).toMatch(hint);
  });

  test("all problems of a folder are reported at once, by file", async () => {
    const error = await refusal(folderOf("b.ts", "001_a.py", "002_ok.ts", "003_c.down.sql"));
    expect(error.details.problems?.map(({ file }) => file)).toHaveLength(3);
    expect(error.message).toMatch(
      /3 problems in .*\n {2}001_a\.py: .*\n {2}003_c\.down\.sql: .*\n {2}b\.ts: /,
    );
  });

  test("a message lists the first of very many problems only", async () => {
    const error = await refusal(folderOf(...Array.from({ length: 100 }, (_, at) => `a${at}.ts`)));
    expect(error.details.problems).toHaveLength(100);
    expect(error.message.split("\n")).toHaveLength(22);
    expect(error.message).toMatch(/and 80 more$/);
  });

  test("a missing folder is reported with its absolute path", async () => {
    const dir = join(folderOf(), "none");
    const error = await refusal(dir);
    expect(error).toMatchObject({ code: "USAGE", message: `migrations folder not found: ${dir}` });
    expect(String(error.details.hint)).toMatch(/create/);
  });

  test("a file in place of the folder is refused", async () => {
    const dir = join(folderOf("001_a.ts"), "001_a.ts");
    expect(await refusal(dir)).toMatchObject({ code: "USAGE", message: `not a folder: ${dir}` });
  });

  test("an invalid ignore pattern is refused", async () => {
    expect(await refusal(folderOf(), "(")).toMatchObject({ code: "USAGE" });
  });

  test("names longer than the table's column, counted in characters, are refused", () => {
    const name = `001_${"é".repeat(251)}`;
    expect(classifyFileName(`${name}.ts`)).toMatchObject({ kind: "migration", name });
    expect(classifyFileName(`001_${"😀".repeat(251)}.up.sql`)).toMatchObject({ kind: "migration" });
    expect(classifyFileName(`${name}x.ts`)).toMatchObject({ kind: "problem" });
  });
});

test.each([
  ["20240131235959123_a.ts", Date.UTC(2024, 0, 31, 23, 59, 59, 123)],
  ["0012_a.ts", 12],
  ["1700000000000_a.ts", 1_700_000_000_000],
  ["a.ts", Number.NaN],
])("the number of %s is %d", (fileName, number) => {
  expect(numericPrefix(fileName)).toBe(number);
});

test("a broken link is listed and fails only when it is loaded", async () => {
  const dir = folderOf();
  symlinkSync(join(dir, "gone"), join(dir, "001_a.ts"));
  writeFileSync(join(dir, "002_b.sql"), "");
  expect((await readFolder(dir)).entries).toHaveLength(2);
});

test("names with an equal number are listed in the order that they run in, whatever their case", async () => {
  const names = ["1_B.sql", "1_a.sql", "1_C-d.sql", "1_step10.sql", "1_step9.sql", "1_cd.ts"];
  const { entries } = await readFolder(folderOf(...names));
  const listed = entries.map(({ fileName }) => fileName);
  expect(listed).toEqual([...listed].sort(compareMigrations));
  expect(listed.slice(0, 2)).toEqual(["1_a.sql", "1_B.sql"]);
});
