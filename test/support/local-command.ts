/** One call of the launcher in a process of its own, with arguments such as `start '{"projectDir": …}'`. */

import { MigrationError } from "../../lib/core/index.ts";
import { findLocal, resetLocal, startLocal, stopLocal } from "../../lib/embedded/index.ts";

const commands = { start: startLocal, stop: stopLocal, reset: resetLocal, find: findLocal };
const [name, json] = process.argv.slice(2);
const [, run] = Object.entries(commands).find(([command]) => command === name) ?? [];
if (run === undefined || json === undefined) throw new Error(`no command ${name}`);
try {
  process.stdout.write(JSON.stringify({ result: (await run(JSON.parse(json))) ?? null }));
} catch (error) {
  if (!(error instanceof MigrationError)) throw error;
  const { code, message, details } = error;
  process.stdout.write(JSON.stringify({ error: { code, message, hint: details.hint } }));
}
