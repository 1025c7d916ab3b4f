import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ContractDeclaration,
  type Migration,
  parseBaselineHeader,
  readBaselineHeader,
  readContractComment,
  replacedNames,
} from "../core/index.ts";
import { withoutLeadingComments } from "./source-text.ts";

const CONTRACT_EXPORT =
  /(?:\bexport\s+const\s+contractAfter\s*(?::\s*string\s*)?|\bexports\.contractAfter\s*|\bcontractAfter\s*(?=:))[=:]\s*(["'])([^"'\\\n]+)\1[ \t]*(?:[;,}\r\n]|as\b|$)/;

/**
 * Reads the export of a module that makes it a contract. It must be known without running the module, so any other way to
 * write it is a problem. A contract that comes from another file is noticed when the module is loaded.
 */
export function readContractExport(text: string): ContractDeclaration | undefined {
  const rest = withoutLeadingComments(text);
  if (!/\bcontractAfter\b/.test(rest)) return undefined;
  const [, , after] = CONTRACT_EXPORT.exec(rest) ?? [];
  return after === undefined ? { problem: " has a contractAfter that is not the text of a name" } : { after };
}

/** Of a migration with these declarations in its files: of a pair, the up file declares a contract. */
export function declarationOf([up, down]: readonly (
  | ContractDeclaration
  | undefined
)[]): ContractDeclaration | null {
  if (down !== undefined) return { problem: " is a pair whose contract is in its down file" };
  return up ?? null;
}

/** What the files of these migrations say, read anew: for a caller that must do without a cache and a compiler. */
export function declaredContracts(
  dir: string,
  migrations: readonly Migration[],
): ReadonlyMap<string, ContractDeclaration> {
  return new Map(
    migrations.flatMap(({ name, kind, files }) => {
      const read = kind === "module" ? readContractExport : readContractComment;
      const declaration = declarationOf(files.map((file) => read(readFileSync(join(dir, file), "utf8"))));
      return declaration === null ? [] : [[name, declaration]];
    }),
  );
}

/** As `declaredContracts`: the names of all migrations that baselines among these replace. */
export function declaredReplacements(dir: string, migrations: readonly Migration[]): ReadonlySet<string> {
  const files = migrations.flatMap(({ name, kind, files: [up] }) =>
    kind === "sql" && up !== undefined ? [[name, up] as const] : [],
  );
  return new Set(
    files.flatMap(([name, up]) =>
      replacedNames(parseBaselineHeader(name, readBaselineHeader(readFileSync(join(dir, up), "utf8")))),
    ),
  );
}
