/** Languages a migration can be written in, by their extension. */
export const MIGRATION_LANGUAGES = ["ts", "js", "mjs", "cjs", "mts", "sql"] as const;

export type MigrationLanguage = (typeof MIGRATION_LANGUAGES)[number];

const GUIDE = `// up makes a change to the database, down takes it back. Both run in a transaction.
//
//   pgm.createTable("users", { id: "id", email: { type: "text", notNull: true, unique: true } });
//   pgm.addColumns("users", { name: { type: "text" } });
//   pgm.createIndex("users", "email");
//   pgm.addConstraint("orders", "orders_user_fk", {
//     foreignKeys: { columns: "user_id", references: "users(id)", onDelete: "CASCADE" },
//   });
//   pgm.sql("UPDATE users SET name = email WHERE name IS NULL");
//
// Without the transaction, for what Postgres refuses inside one (the statements then run one by one):
//   pgm.noTransaction();
//   pgm.createIndex("users", "email", { concurrently: true });
//
// Without a down, it is worked out from up where every call can be turned round (pgm.sql cannot be). If there
// is no way back, say why: export const irreversible = "the reason".
//
// All calls: https://salsita.github.io/node-pg-migrate/migrations/
`;

const UP = "// What this migration changes.";

/** Stands for the package that the types are imported from. */
const TYPES = "\0types";

const TYPESCRIPT = `import type { MigrationBuilder } from "${TYPES}";

${GUIDE}
export async function up(pgm: MigrationBuilder): Promise<void> {
  ${UP}
}

// export async function down(pgm: MigrationBuilder): Promise<void> {
//   pgm.dropTable("users");
// }
`;

const PARAMETER = `/** @param {import("${TYPES}").MigrationBuilder} pgm */`;

const MODULE = `${GUIDE}
${PARAMETER}
export async function up(pgm) {
  ${UP}
}

// ${PARAMETER}
// export async function down(pgm) {
//   pgm.dropTable("users");
// }
`;

const COMMONJS = `${GUIDE}
${PARAMETER}
exports.up = async (pgm) => {
  ${UP}
};

// ${PARAMETER}
// exports.down = async (pgm) => {
//   pgm.dropTable("users");
// };
`;

const SQL = `-- The section "Up Migration" makes a change to the database, "Down Migration" takes it back. Each runs
-- in a transaction. Without the second heading the migration cannot be undone.
--
-- For what Postgres refuses inside a transaction (CREATE INDEX CONCURRENTLY, ALTER TYPE … ADD VALUE in old
-- versions) make this the first line of the file; the statements then run one by one:
-- "-- migrate: no-transaction"

-- Up Migration
-- CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);

-- Down Migration
-- DROP TABLE users;
`;

/** The text of a new migration: a short guide, and nothing that would run. For `typesPackage` see `createMigration`. */
export function migrationTemplate(language: MigrationLanguage, typesPackage: string): string {
  return textOf(language).replaceAll(TYPES, typesPackage);
}

function textOf(language: MigrationLanguage): string {
  switch (language) {
    case "sql":
      return SQL;
    case "ts":
    case "mts":
      return TYPESCRIPT;
    case "cjs":
      return COMMONJS;
    case "js":
    case "mjs":
      return MODULE;
  }
}
