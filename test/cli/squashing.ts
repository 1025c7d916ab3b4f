import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { environmentOf, type Outcome, runCommand, writeProject } from "./command.ts";

/** A migration whose `down` does nothing. */
export const migration = (sql: string): string => `-- Up Migration\n${sql}\n-- Down Migration\nSELECT 1;`;

export const FULL = {
  "1_roles.sql": `-- Up Migration
CREATE TABLE roles (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, made timestamptz DEFAULT now());
INSERT INTO roles (name) VALUES ('admin'), ('o''hara \\ "x"'), (NULL);
-- Down Migration
DROP TABLE roles;`,
  "2_users.ts": `export async function up(pgm) {
  pgm.createTable("users", { id: "id", role: { type: "int", references: "roles", notNull: true }, note: "jsonb" });
  pgm.sql("INSERT INTO users (role, note) VALUES (1, '{\\"a\\": 1}'), (2, NULL)");
  pgm.createIndex("users", "role");
}
export async function down(pgm) { pgm.dropTable("users"); }`,
  "3_count.sql": `-- Up Migration
-- migrate: no-transaction
CREATE INDEX CONCURRENTLY users_note ON users (note);
CREATE MATERIALIZED VIEW counts AS SELECT count(*) AS n FROM users;
-- Down Migration
DROP MATERIALIZED VIEW counts;
DROP INDEX users_note;`,
};
const REST = {
  "4_more.sql":
    "-- Up Migration\nALTER TABLE users ADD COLUMN more text;\n-- Down Migration\nALTER TABLE users DROP COLUMN more;",
};
/** What `squash --to 3_count` makes of `FULL`. */
export const BASELINE = "3_count-baseline";

export interface Squashing {
  readonly run: (...args: string[]) => Promise<Outcome>;
  readonly project: string;
  readonly db: TestDatabase;
  readonly files: () => string[];
  readonly git: (...args: string[]) => string;
  /** What `squash --to 3_count` does to `FULL`: the command runs once in a test file, and its baseline is used again. */
  readonly squash: () => Promise<void>;
}

let baseline: string | undefined;

async function squashFull({ run, project }: Pick<Squashing, "run" | "project">): Promise<void> {
  const folder = join(project, "migrations");
  const file = join(folder, `${BASELINE}.sql`);
  if (baseline === undefined) {
    const { code, stderr } = await run("squash", "--to", "3_count");
    if (code !== 0) throw new Error(stderr);
    baseline = readFileSync(file, "utf8");
    return;
  }
  for (const name of Object.keys(FULL)) rmSync(join(folder, name));
  writeFileSync(file, baseline);
}

function gitIn(project: string): Squashing["git"] {
  return (...args) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: project,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
}

/** A committed project and a database of its own. */
export function withProject(
  test: (squashing: Squashing) => Promise<void>,
  migrations: Readonly<Record<string, string>> = { ...FULL, ...REST },
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(migrations);
    const git = gitIn(project);
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "full");
    const files = () => readdirSync(join(project, "migrations")).toSorted();
    const run = (...args: string[]) => runCommand(project, args, environmentOf(db.connection));
    const squash = () => squashFull({ run, project });
    await test({ run, project, db, files, git, squash });
  });
}
