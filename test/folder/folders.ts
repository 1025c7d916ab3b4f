import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "@jest/globals";

export type Files = Readonly<Record<string, string>>;

/** A project in a temporary folder, for one test. */
export interface Project {
  readonly root: string;
  readonly dir: string;
  readonly cacheDir: string;
  write(files: Files): void;
}

/** Long enough ago for a file's time to be trusted. */
export const LONG_AGO = new Date("2020-01-01T00:00:00Z");

/** Registers the removal of every project that `make` gives; call it once per test file. */
export function projects(): (files: Files) => Project {
  const roots: string[] = [];
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
  });
  return (files) => {
    const root = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-test-"));
    roots.push(root);
    mkdirSync(join(root, "migrations"));
    const write = (more: Files) => {
      for (const [name, text] of Object.entries(more)) writeAged(join(root, name), text);
    };
    write(files);
    return { root, dir: join(root, "migrations"), cacheDir: join(root, "cache"), write };
  };
}

function writeAged(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  utimesSync(path, LONG_AGO, LONG_AGO);
}
