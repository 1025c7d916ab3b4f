import { expect, test } from "@jest/globals";
import type { SchemaTable } from "../../lib/review/catalog/index.ts";
import { compareSchemas, drawSchema, focusDiagram, renderMermaid } from "../../lib/review/report/index.ts";

function table(name: string, columns: readonly string[], refersTo: readonly string[] = []): SchemaTable {
  return {
    name,
    columns: columns.map((column) => ({
      name: column,
      type: "integer",
      nullable: false,
      primary: column === "id",
    })),
    foreignKeys: refersTo.map((target) => ({
      name: `${name}_${target}_fkey`,
      columns: [`${target}_id`],
      target,
      targetColumns: ["id"],
      unique: false,
    })),
  };
}

test("a Mermaid diagram shows tables, keys and relationships", () => {
  const text = renderMermaid(drawSchema([table("a", ["id"]), table("b", ["id", "a_id"], ["a"])]));
  expect(text).toBe(`erDiagram
  "a" {
    integer id PK
  }
  "b" {
    integer id PK
    integer a_id FK
  }
  "a" ||--o{ "b" : "a_id"
`);
});

test("a Mermaid diagram marks what is new, changed and dropped", () => {
  const before = [table("a", ["id"]), table("gone", ["id"])];
  const after = [table("a", ["id", "x"]), table("b", ["id", "a_id"], ["a"])];
  const text = renderMermaid(compareSchemas(before, after));
  expect(text).toContain('"a"["a (changed)"] {\n    integer id PK\n    integer x "new"\n');
  expect(text).toContain('"b"["b (new)"] {');
  expect(text).toContain('"gone"["gone (dropped)"] {');
  expect(text).toContain('"a" ||--o{ "b" : "a_id (new)"');
});

test("names cannot break a Mermaid diagram or reach the page as HTML", () => {
  const text = renderMermaid(drawSchema([table('<script>"%\\;`', ["pk", "1 <b>", "ünïcode"])]));
  expect(text).toContain('"#60;script#62;#34;#37;#92;#59;#96;" {');
  expect(text).toContain('integer pk_ "pk"');
  expect(text).toContain('integer _1__b_ "1 #60;b#62;"');
  expect(text).toContain("integer ünïcode\n");
  expect(text).not.toMatch(/<|`/);
});

test("a large diagram shows the changed tables and their neighbours only", () => {
  const before = [
    table("centre", ["id"]),
    table("near", ["id", "centre_id"], ["centre"]),
    ...Array.from({ length: 40 }, (_, index) => table(`far${index}`, ["id"])),
  ];
  const after = [table("centre", ["id", "x"]), ...before.slice(1)];
  const focused = focusDiagram(compareSchemas(before, after));
  expect(focused.tables.map(({ name }) => name)).toEqual(["centre", "near"]);
  expect(focused.relationships).toHaveLength(1);
  expect(focused.omitted).toBe(40);
});
