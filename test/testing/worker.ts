/** One of many processes that want test databases at the same time: `worker.mjs '{"migrationsDir": …}' 5`. */
import { testDatabase } from "../../lib/testing.ts";

const [options = "{}", count = "1"] = process.argv.slice(2);
const clone = async () => {
  const db = await testDatabase(JSON.parse(options));
  process.stdout.write(`${db.url}\n`);
};
await Promise.all(Array.from({ length: Number(count) }, clone));
