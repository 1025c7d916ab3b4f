import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchMigration, benchMigrations } from "./migrations.ts";

export type Language = "TS" | "SQL";

/** A user's project with a folder of migrations. Every contender gets a copy, so that no cache is shared. */
export interface Project {
  readonly dir: string;
  readonly count: number;
  /** The `TMPDIR` of the commands that run in the project. */
  readonly temp: string;
  /** Deletes what earlier commands have compiled or remembered. */
  clearCaches(): void;
  remove(): void;
}

export function makeProject(language: Language, count: number): Project {
  const dir = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-bench-"));
  const temp = join(dir, "temp");
  const modules = join(dir, "node_modules");
  for (const folder of ["migrations", "psql"]) mkdirSync(join(dir, folder));
  writeFileSync(join(dir, "package.json"), `{ "private": true, "type": "module" }\n`);
  const migrations = benchMigrations(count);
  if (language === "TS") writeTypeScript(dir, migrations);
  else writeSql(dir, migrations);
  const clearCaches = () => {
    for (const folder of [temp, modules]) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
    }
  };
  clearCaches();
  const remove = () => rmSync(dir, { recursive: true, force: true });
  return { dir, count, temp, clearCaches, remove };
}

function writeTypeScript(dir: string, migrations: readonly BenchMigration[]): void {
  for (const { name, builderUp, builderDown } of migrations) {
    const text = `import type { MigrationBuilder } from "node-pg-migrate";

export async function up(pgm: MigrationBuilder): Promise<void> {
  ${builderUp}
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  ${builderDown}
}
`;
    writeFileSync(join(dir, "migrations", `${name}.ts`), text);
  }
}

/** psql knows no down section: it gets the same files without it, and a script that includes them. */
function writeSql(dir: string, migrations: readonly BenchMigration[]): void {
  for (const { name, up, down } of migrations) {
    writeFileSync(
      join(dir, "migrations", `${name}.sql`),
      `-- Up Migration\n${up}\n\n-- Down Migration\n${down}\n`,
    );
    writeFileSync(join(dir, "psql", `${name}.sql`), `${up}\n`);
  }
  const script = (line: (file: string) => string) =>
    migrations.map(({ name }) => `${line(`psql/${name}.sql`)}\n`).join("");
  writeFileSync(
    join(dir, "all.psql"),
    script((file) => `\\i ${file}`),
  );
  writeFileSync(
    join(dir, "each.psql"),
    script((file) => `BEGIN;\n\\i ${file}\nCOMMIT;`),
  );
}
