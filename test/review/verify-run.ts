import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFolder } from "../../lib/folder/index.ts";
import {
  type ScratchProvider,
  scratchOn,
  type VerifyReport,
  type VerifySetup,
  verifyMigrations,
} from "../../lib/review/verify/index.ts";
import type { TestDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import type { Piece } from "./catalog-corpus.ts";

export async function verify(
  db: TestDatabase,
  dir: string,
  setup: Partial<VerifySetup> = {},
): Promise<VerifyReport> {
  const cacheDir = join(tmpdir(), "cdk-pg-migrate-test-cache", String(process.pid));
  const source = await openFolder(dir, { cacheDir });
  return verifyMigrations({ scratch: scratchOn(db.connection), source, ...setup });
}

export function folderOf(pieces: readonly Piece[], down: (piece: Piece) => string): string {
  const file = (piece: Piece) => `${piece.up};\n-- Down Migration\n${down(piece)};\n`;
  return writeFolder(Object.fromEntries(pieces.map((piece, n) => [`${n + 1}_piece.sql`, file(piece)])));
}

export function statuses({ migrations }: VerifyReport): string[] {
  return migrations.map(({ name, status }) => `${name} ${status}`);
}

/** Writes down the names of the databases it makes. */
export function recording(provider: ScratchProvider, names: string[]): ScratchProvider {
  return {
    fenced: provider.fenced,
    async create() {
      const made = await provider.create();
      names.push(made.connection.database);
      return made;
    },
  };
}

export async function existing(db: TestDatabase, names: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    "SELECT datname::text AS name FROM pg_database WHERE datname = ANY ($1)",
    [names],
  );
  return rows.map(({ name }) => name);
}
