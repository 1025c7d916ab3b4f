import type { ConnectionSettings } from "../../lib/postgres/index.ts";
import type { TestDatabase } from "../support/database.ts";

/** A migration of one table, up and down. */
export const file = (table: string): string =>
  `-- Up Migration\nCREATE TABLE ${table} ();\n-- Down Migration\nDROP TABLE ${table};`;

/** Does `test` with a role that may log in and nothing else. */
export async function withRole(
  db: TestDatabase,
  test: (role: string, connection: ConnectionSettings) => Promise<void>,
): Promise<void> {
  const role = `weak_${db.name}`;
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'weak'`);
  try {
    await test(role, { ...db.connection, user: role, password: "weak" });
  } finally {
    await db.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
}
