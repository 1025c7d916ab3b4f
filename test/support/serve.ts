/** `npx tsx test/support/serve.ts 17` starts a test server again, to look at the database of a failed test. */
import { startLocal } from "../../lib/embedded/index.ts";
import { embeddedOptions } from "./postgres.ts";

const { connection } = await startLocal(embeddedOptions(Number(process.argv[2] ?? 17)));
const { user, password, host, port } = connection;
process.stdout.write(`psql postgres://${user}:${password}@${host}:${port}/postgres\n`);
