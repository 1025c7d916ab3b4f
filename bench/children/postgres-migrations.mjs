// postgres-migrations has no command of its own: this is the script its users write.
import pg from "pg";
import { migrate } from "postgres-migrations";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
try {
  await migrate({ client }, process.argv[2]);
} finally {
  await client.end();
}
