import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Step, stepsOf } from "./work.ts";

export type Language = "TS" | "SQL";

/** A user's project with the same migrations in the form of each tool. */
export interface Project {
  readonly dir: string;
  readonly language: Language;
  readonly count: number;
  /** Where its tools may keep what they like outside of it. */
  readonly temp: string;
  /** Deletes what tools have compiled or remembered. */
  cool(): void;
  remove(): void;
}

const PACKAGES = fileURLToPath(new URL("./node_modules", import.meta.url));

export function makeProject(language: Language, count: number): Project {
  const root = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-bench-"));
  const dir = join(root, "project");
  const modules = join(root, "node_modules");
  // jiti keeps what it has compiled in the system's temporary folder.
  const temp = join(root, "temp");
  for (const folder of [modules, dir, temp]) mkdirSync(folder);
  symlinkSync(join(PACKAGES, "knex"), join(modules, "knex"), "junction");
  writeFileSync(join(dir, "package.json"), `{ "private": true, "type": "module" }\n`);
  const steps = stepsOf(count);
  if (language === "TS") writeModules(dir, steps);
  else writeSql(dir, steps);
  return {
    ...{ dir, language, count, temp },
    cool: () => {
      for (const folder of [join(modules, ".cache"), temp]) rmSync(folder, { recursive: true, force: true });
      mkdirSync(temp);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

function writeModules(dir: string, steps: readonly Step[]): void {
  writeAll(dir, "migrations", steps, ({ name, builderUp, builderDown }) => [
    `${name}.ts`,
    typeScript(builderUp, builderDown),
  ]);
  writeAll(dir, "knex", steps, ({ name, up, down }) => [`${name}.cjs`, knexModule(up, down)]);
  writeFileSync(join(dir, "knexfile.cjs"), KNEXFILE);
  writeFloor(dir, steps);
}

function writeSql(dir: string, steps: readonly Step[]): void {
  writeAll(dir, "migrations", steps, ({ name, up, down }) => [
    `${name}.sql`,
    `-- Up Migration\n${up}\n\n-- Down Migration\n${down}\n`,
  ]);
  writeAll(dir, "dbmate", steps, ({ name, up, down }) => [
    `${name}.sql`,
    `-- migrate:up\n${up}\n\n-- migrate:down\n${down}\n`,
  ]);
  writeAll(dir, "postgres-migrations", steps, ({ name, up }, index) => [
    // It wants numbers from 1 without a gap, and names that differ.
    `${index + 1}_${name}.sql`,
    `${up}\n`,
  ]);
  writeFloor(dir, steps);
}

/** What the floor runs is the same SQL, whatever the language. */
function writeFloor(dir: string, steps: readonly Step[]): void {
  const write = (name: string, lines: readonly string[]) =>
    writeFileSync(join(dir, name), `${lines.join("\n")}\n`);
  write(
    "all.sql",
    steps.map(({ up }) => up),
  );
  write(
    "each.sql",
    steps.map(({ up }) => `BEGIN; ${up} COMMIT;`),
  );
}

function writeAll(
  dir: string,
  folder: string,
  steps: readonly Step[],
  fileOf: (step: Step, index: number) => readonly [string, string],
): void {
  mkdirSync(join(dir, folder));
  for (const [index, step] of steps.entries()) {
    const [name, content] = fileOf(step, index);
    writeFileSync(join(dir, folder, name), content);
  }
}

function typeScript(up: string, down: string): string {
  return `import type { MigrationBuilder } from "node-pg-migrate";

export async function up(pgm: MigrationBuilder): Promise<void> {
  ${up}
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  ${down}
}
`;
}

function knexModule(up: string, down: string): string {
  return `exports.up = (knex) => knex.schema.raw(${JSON.stringify(up)});
exports.down = (knex) => knex.schema.raw(${JSON.stringify(down)});
`;
}

const KNEXFILE = `module.exports = {
  client: "pg",
  connection: process.env.DATABASE_URL,
  migrations: { directory: "./knex", loadExtensions: [".cjs"] },
};
`;
