// A user's app, with the built package: a database and its migrations.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { App, Stack } from "aws-cdk-lib";

const [, , library, migrationsDir, outdir] = process.argv;
const { PostgresDatabase, PostgresMigrations } = await import(pathToFileURL(library).href);
const app = new App({ outdir: join(outdir, "cdk.out") });
const stack = new Stack(app, "Bench");
const database = new PostgresDatabase(stack, "Database", { profile: "dev", databaseName: "bench" });
new PostgresMigrations(stack, "Migrations", { database, migrationsDir });
app.synth();
