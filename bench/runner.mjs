// Brings schemas to the end of a folder one after the other, in one process, with node-pg-migrate as a library.
import { runner } from "node-pg-migrate";

const [dir, ...schemas] = process.argv.slice(2);
for (const schema of schemas) {
  const options = {
    databaseUrl: process.env.DATABASE_URL,
    dir,
    migrationsTable: "pgmigrations",
    direction: "up",
  };
  await runner({ ...options, schema, migrationsSchema: schema, log: () => {} });
}
