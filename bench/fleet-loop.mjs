// Brings schemas to the end of the folder, several at once, with the package as a library.
import { pathToFileURL } from "node:url";

const [entry, concurrency, ...schemas] = process.argv.slice(2);
const { openMigrator } = await import(pathToFileURL(entry).href);

async function work() {
  for (let schema = schemas.shift(); schema !== undefined; schema = schemas.shift())
    await (await openMigrator({ schema: [schema], lockWaitMs: 3_600_000 })).up();
}

await Promise.all(Array.from({ length: Number(concurrency) }, work));
