import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { type Files, projects } from "./folders.ts";
import { exportOf, loadAll } from "./loading.ts";

const make = projects();

/** What the one migration of a project exports as `seen`. */
async function seen(fileName: string, text: string, more: Files): Promise<unknown> {
  const [loaded] = (await loadAll(make({ [`migrations/${fileName}`]: text, ...more }))).values();
  return exportOf(loaded, "seen");
}

describe("modules and their project", () => {
  test("a migration that another one imports is evaluated once", async () => {
    const loaded = await loadAll(
      make({
        "migrations/001_a.ts": "export const own = {}; export const up = 1;",
        "migrations/002_b.ts": 'import { own } from "./001_a.ts"; export const seen = own;',
        "migrations/003_c.ts": "export const up = 1;",
      }),
    );
    expect(exportOf(loaded.get("002_b"), "seen")).toBe(exportOf(loaded.get("001_a"), "own"));
  });

  test.each(["commonjs", "module"])(
    "a migration evaluates the same in a package of type %s",
    async (type) => {
      const more = { "package.json": JSON.stringify({ type, sideEffects: false }) };
      const text =
        "globalThis.count = (globalThis.count ?? 0) + 1;\nexport const seen = [typeof this, up.name];\n";
      for (const name of ["001_a.ts", "001_a.js", "001 a.ts"]) {
        expect(await seen(name, `${text}export function up() {}`, more)).toEqual(["undefined", "up"]);
      }
    },
  );

  test("a tsconfig.json does not change how classes, unused imports and JSX compile", async () => {
    const compilerOptions = {
      useDefineForClassFields: false,
      verbatimModuleSyntax: true,
      target: "es5",
      jsx: "x",
    };
    const more = { "tsconfig.json": JSON.stringify({ compilerOptions }) };
    const text = 'import type { T } from "gone"; class A { x?: T } export const seen = "x" in new A();';
    expect(await seen("001_a.ts", text, more)).toBe(true);
    expect(await seen("001_a.ts", `import type T from "gone";\nexport const seen: T = 1;`, more)).toBe(1);
  });

  test("types of the engine may be imported as values, beside migrations that import files or not", async () => {
    const compilerOptions = { verbatimModuleSyntax: true };
    for (const more of [{}, { "migrations/002_b.ts": 'import "./lib/a.ts";', "migrations/lib/a.ts": "" }]) {
      const project = make({
        "migrations/001_a.ts": `import { MigrationBuilder, PgLiteral } from "node-pg-migrate";
          export const seen = (pgm: MigrationBuilder) => new PgLiteral("x").value;`,
        "tsconfig.json": JSON.stringify({ compilerOptions }),
        ...more,
      });
      const migration = exportOf((await loadAll(project)).get("001_a"), "seen");
      expect(typeof migration === "function" ? migration() : undefined).toBe("x");
    }
  });

  test("line endings, a byte order mark and non-ASCII characters do not change a module", async () => {
    const project = make({ "migrations/001_a.ts": "", "migrations/002_b.ts": "" });
    const text = (value: string) => `export const seen = ["${value}", \`a\r\nb\`];\r\n`;
    writeFileSync(join(project.dir, "001_a.ts"), text("\ufffd"));
    writeFileSync(join(project.dir, "002_b.ts"), `\ufeff${text("\u00e9")}`);
    const loaded = await loadAll(project);
    expect(exportOf(loaded.get("001_a"), "seen")).toEqual(["\ufffd", "a\nb"]);
    expect(exportOf(loaded.get("002_b"), "seen")).toEqual(["\u00e9", "a\nb"]);
  });
});

describe("very many migrations", () => {
  const many = (text: (at: number) => string) =>
    make(
      Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`migrations/${1000 + at}_m.ts`, text(at)])),
    );

  test("each of very many migrations is evaluated once, in order, and can be reloaded", async () => {
    const count = "const all = (globalThis.all ??= []); all.push(0); export const seen = all.length;";
    const { dir, cacheDir } = many(() => count);
    const folder = await openFolder(dir, { cacheDir });
    const names = folder.entries.map(({ name }) => name);
    const loaded = await folder.load(names);
    expect([...loaded.keys()]).toEqual(names);
    expect(names.map((name) => exportOf(loaded.get(name), "seen"))).toEqual(names.map((_, at) => at + 1));
    expect(exportOf(await folder.reload("1599_m"), "seen")).toBe(601);
  });

  test("all of very many migrations that do not compile are reported at once", async () => {
    const project = many((at) => (at % 599 === 0 ? "export const = 1;" : "export const up = 1;"));
    await expect(loadAll(project)).rejects.toMatchObject({
      details: {
        problems: [{ file: join(project.dir, "1000_m.ts") }, { file: join(project.dir, "1599_m.ts") }],
      },
    });
  });

  test("helpers of very many migrations are evaluated once", async () => {
    const text = 'import { own } from "./lib/h.ts"; export const seen = own;';
    const project = many((at) => (at % 300 === 0 ? text : "export const up = 1;"));
    project.write({ "migrations/lib/h.ts": "export const own = {};" });
    const loaded = await loadAll(project);
    expect(exportOf(loaded.get("1300_m"), "seen")).toBe(exportOf(loaded.get("1000_m"), "seen"));
  });
});
