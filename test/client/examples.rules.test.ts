import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import ts from "typescript";
import { REPOSITORY } from "../docs/markdown.ts";
import { writeFolder } from "../support/folders.ts";

/** The `@example`s in a room, by the name of what they stand at; of a method with its interface in front. */
function examplesOf(room: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(room)) {
    const source = ts.createSourceFile(
      file,
      readFileSync(join(room, file), "utf8"),
      ts.ScriptTarget.Latest,
      true,
    );
    const visit = (node: ts.Node): void => {
      const isNamed =
        ts.isFunctionDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isMethodSignature(node);
      if (isNamed && node.name !== undefined) {
        for (const { tagName, comment } of ts.getJSDocTags(node)) {
          const owner =
            ts.isMethodSignature(node) && ts.isInterfaceDeclaration(node.parent)
              ? `${node.parent.name.text}.`
              : "";
          if (tagName.text === "example")
            found.set(`${owner}${node.name.getText()}`, ts.getTextOfJSDocComment(comment) ?? "");
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

const CLIENT = [
  "assertMigrated",
  "migrationNames",
  "migrationState",
  "openFleet",
  "openMigrator",
  "Queryable",
];
const METHODS = [
  "baseline",
  "down",
  "history",
  "measure",
  "plan",
  "redo",
  "rename",
  "repair",
  "resolve",
  "status",
  "up",
];

const FLEET_METHODS = ["Fleet.plan", "Fleet.status", "Fleet.up"];

const TESTING = ["buildTemplate", "databaseTest", "dropTestDatabases", "stopTestServer", "testDatabase"];

const ENTRIES = [
  ["client", [...CLIENT, ...METHODS.map((name) => `Migrator.${name}`), ...FLEET_METHODS]],
  ["testing", TESTING],
] as const;

test.each(ENTRIES)("every function and method of cdk-pg-migrate/%s has an example", (entry, names) => {
  const found = [...examplesOf(join(REPOSITORY, "lib", entry)).keys()];
  expect(found.toSorted()).toEqual(names.toSorted());
});

test("the examples of the entries for programs and tests compile", () => {
  const dir = writeFolder({ "shims.d.ts": 'declare module "postgres";' });
  const files = ENTRIES.flatMap(([entry]) =>
    [...examplesOf(join(REPOSITORY, "lib", entry))].map(([name, code]) => {
      const path = join(dir, `${entry}-${name}.mts`);
      writeFileSync(path, `${code}\nexport {};\n`);
      return path;
    }),
  );
  const program = ts.createProgram([...files, join(dir, "shims.d.ts")], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    allowImportingTsExtensions: true,
    typeRoots: [join(REPOSITORY, "node_modules", "@types")],
    types: ["node"],
    paths: {
      "cdk-pg-migrate/*": [join(REPOSITORY, "lib", "*.ts")],
      "*": [join(REPOSITORY, "node_modules", "@types", "*"), join(REPOSITORY, "node_modules", "*")],
    },
  });
  const diagnostics = files.flatMap((file) => {
    const source = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  const host = {
    getCurrentDirectory: () => dir,
    getCanonicalFileName: (name: string) => name,
    getNewLine: () => "\n",
  };
  expect(ts.formatDiagnostics(diagnostics, host)).toBe("");
});
