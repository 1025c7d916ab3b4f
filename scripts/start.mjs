#!/usr/bin/env node
// The package's program: published as dist/cli/migrate.mjs, beside the files that it chooses from.
import { fileFor } from "./cli-file.mjs";

const { basename, dirname, join } = process.getBuiltinModule("node:path");

const root = join(import.meta.dirname, "..", "..");
const modules = basename(dirname(root)) === "node_modules" ? dirname(root) : join(root, "node_modules");
// Node 22 and newer keep what they have compiled; where nothing can be written they do without. Not in the system's
// temporary folder, where somebody else might put a file for us to run.
process
  .getBuiltinModule("node:module")
  .enableCompileCache?.(join(modules, ".cache", "cdk-pg-migrate", "node"));
await import(new URL(fileFor(process.argv[2]), import.meta.url).href);
