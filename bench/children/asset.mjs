// Makes the asset with the built package, as a construct does, and tells on its last line what that took.
import { pathToFileURL } from "node:url";

const [, , bundle, migrationsDir, handlersDir, ca] = process.argv;
const { buildAssetSync } = await import(pathToFileURL(bundle).href);
const startedAt = performance.now();
const { dir, manifest } = buildAssetSync({ migrationsDir, handlersDir, ...(ca === undefined ? {} : { ca }) });
const wallMs = performance.now() - startedAt;
process.stdout.write(
  `\n${JSON.stringify({ dir, hash: manifest.hash, count: manifest.migrations.length, wallMs })}\n`,
);
