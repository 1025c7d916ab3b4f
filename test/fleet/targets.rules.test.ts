import { expect, test } from "@jest/globals";
import { MigrationError } from "../../lib/core/index.ts";
import {
  type FleetTarget,
  parseTargetRows,
  parseTargets,
  parseTargetsFile,
  targetOptions,
} from "../../lib/fleet/index.ts";

const database = { host: "db", port: 5432, database: "app" };
const origin = { source: "targets.json", database };

function thrown(work: () => unknown): MigrationError {
  try {
    work();
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("an entry gets what it leaves out from the fleet's own database", () => {
  expect(
    parseTargets(["tenant_1", { database: "other", secret: "arn:x" }, { host: "far", port: 1 }], origin),
  ).toEqual([
    { name: "tenant_1", ...database, schema: "tenant_1" },
    { name: "other", ...database, database: "other", secret: "arn:x" },
    { name: "app", host: "far", port: 1, database: "app" },
  ]);
});

test.each<[string, unknown[], string[]]>([
  [
    "the schema, else the database",
    ["a", { database: "b" }, { schema: "c", database: "b" }],
    ["a", "b", "c"],
  ],
  [
    "with the database in front where several have the schema",
    [{ schema: "public" }, { schema: "public", database: "b" }, "other"],
    ["app.public", "b.public", "other"],
  ],
  [
    "with the host in front where several servers have it",
    [
      { database: "b", host: "x" },
      { database: "b", host: "y" },
    ],
    ["x/b", "y/b"],
  ],
  [
    "with the port too where one host has several servers",
    [
      { database: "b", port: 1 },
      { database: "b", port: 2 },
    ],
    ["db:1/b", "db:2/b"],
  ],
  [
    "its own name when it has one",
    [
      { name: "first", schema: "a" },
      { name: "a", schema: "b" },
    ],
    ["first", "a"],
  ],
])("a target is called by %s", (_title, entries, names) => {
  expect(parseTargets(entries, origin).map(({ name }) => name)).toEqual(names);
});

test.each<[string, unknown, string]>([
  ["no array", { schema: "a" }, "targets.json must be an array of targets"],
  ["an empty array", [], "targets.json has no targets"],
  ["a number", [7], "targets.json: entry 1: a target must be an object, or the name of a schema, not 7"],
  ["null", ["a", null], "targets.json: entry 2: a target must be an object, or the name of a schema"],
  [
    "an entry that names nothing",
    [{ name: "a" }],
    "targets.json: entry 1: a target must have a schema, a database or a host",
  ],
  ["an empty name", [""], "targets.json: entry 1: schema must not be empty"],
  [
    "an unknown field",
    [{ schema: "a", shema: "b" }],
    'targets.json: entry 1: "shema" is no field of a target',
  ],
  [
    "a port out of range",
    [{ host: "a", port: 70_000 }],
    "port must be a whole number from 1 to 65535, not 70000",
  ],
  [
    "a port as text",
    [{ host: "a", port: "5432" }],
    'port must be a whole number from 1 to 65535, not "5432"',
  ],
  ["a host with a port", [{ host: "a/b" }], "host must be a host name alone"],
  ["control characters", ["a\u001b[2J"], "schema must not hold control characters"],
  ["a schema that the server would cut", ["é".repeat(30)], "schema must have at most 55 bytes"],
  ["a schema that is no text", [{ schema: 1 }], "schema must be text, not 1"],
  ["null in a field", [{ schema: null }], "schema must be text"],
  [
    "the same schema twice",
    ["a", "b", { name: "c", schema: "a" }],
    "entry 3 is the same schema or database as entry 1",
  ],
  ["the same name twice", [{ name: "b", schema: "a" }, "b"], 'entry 2 has the name of entry 1, "b"'],
])("a list with %s is refused with its entry and value", (_title, input, message) => {
  const { code, message: text } = thrown(() => parseTargets(input, origin));
  expect(code).toBe("TARGETS");
  expect(text).toContain(message);
});

test("every entry that is wrong is named, in the message and as problems", () => {
  const error = thrown(() => parseTargets([{ port: 0, host: "a" }, "ok", { schema: "", user: "" }], origin));
  expect(error.message).toContain("targets.json cannot be used:\n");
  expect(error.details.problems).toEqual([
    { file: "targets.json", message: "entry 1: port must be a whole number from 1 to 65535, not 0" },
    { file: "targets.json", message: 'entry 3: schema must not be empty, not ""' },
    { file: "targets.json", message: 'entry 3: user must not be empty, not ""' },
  ]);
});

test.each([
  ["a URL as a host", [{ host: "postgres://u:hunter2@h/db" }]],
  ["a URL as a target", ["postgres://u:hunter2@h/".padEnd(80, "x")]],
  ["a password", [{ host: "h", password: "hunter2" }]],
  ["a secret that is the password", [{ host: "h", secret: "hunter2".repeat(500) }]],
])("a refusal does not show %s", (_title, input) => {
  const error = thrown(() => parseTargets(input, origin));
  expect(JSON.stringify([error.message, error.details])).not.toContain("hunter2");
});

test("an empty list is accepted where it may be", () => {
  expect(parseTargets([], { ...origin, allowEmpty: true })).toEqual([]);
});

test("a file may begin with a byte order mark", () => {
  expect(parseTargetsFile('\ufeff["a"]', origin)).toHaveLength(1);
});

test("a file that is no JSON is refused without its text", () => {
  const error = thrown(() => parseTargetsFile("PASSWORD=hunter2", origin));
  expect(error).toMatchObject({ code: "TARGETS", message: "targets.json is not JSON" });
  expect(JSON.stringify(error.details)).not.toContain("hunter2");
});

test("in the rows of a query, NULL is a field that is left out and a bigint a port", () => {
  const rows = [
    { schema: "a", host: null, port: null },
    { schema: "b", host: "x", port: "5433" },
  ];
  expect(parseTargetRows(rows, { ...origin, source: "the query" })).toEqual([
    { name: "a", ...database, schema: "a" },
    { name: "b", ...database, schema: "b", host: "x", port: 5433 },
  ]);
});

test.each<[string, unknown[], string]>([
  ["another column", [{ schema: "a", id: 1 }], 'the query: row 1: "id" is no field of a target'],
  ["only NULL", [{ schema: "a" }, { schema: null }], "the query: row 2: a target must have a schema"],
  ["no row", [], "the query has no targets"],
])("a query that answers %s is refused", (_title, rows, message) => {
  expect(thrown(() => parseTargetRows(rows, { ...origin, source: "the query" })).message).toContain(message);
});

test("the schema of a target takes the place of the first schema of the options", () => {
  const target: FleetTarget = { name: "t", ...database, schema: "tenant" };
  expect(targetOptions({ schema: ["public", "shared"], lockRetries: 1 }, target)).toEqual({
    schema: ["tenant", "shared"],
    lockRetries: 1,
  });
  expect(targetOptions({ schema: ["public"] }, { name: "t", ...database })).toEqual({ schema: ["public"] });
});

test("schemas with one table of applied migrations for all are refused", () => {
  const target: FleetTarget = { name: "t", ...database, schema: "tenant" };
  const error = thrown(() => targetOptions({ migrationsSchema: "public" }, target));
  expect(error.code).toBe("TARGETS");
  expect(String(error.details.hint)).toContain("--migrations-schema");
});
