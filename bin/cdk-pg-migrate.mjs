#!/usr/bin/env node
// What `npx cdk-pg-migrate` starts: in the published package the compiled program, in a checkout the sources.
import { existsSync } from "node:fs";

const sources = new URL("run.mjs", import.meta.url);
import((existsSync(sources) ? sources : new URL("../dist/cli/migrate.mjs", import.meta.url)).href);
