import {
  type FileProblem,
  isErrorCode,
  type ManifestMigration,
  MigrationError,
  property,
} from "../../core/index.ts";
import type { BuiltAsset } from "./request.ts";

/** The last line that the working process prints: the asset, or what is wrong with the request. */
export function encodeAnswer(result: BuiltAsset | MigrationError): string {
  if (!(result instanceof MigrationError)) return JSON.stringify({ asset: result });
  const { code, message, details } = result;
  const { hint, problems } = details;
  return JSON.stringify({ error: { code, message, hint, problems } });
}

/**
 * The asset; undefined when the text is no answer.
 * @throws MigrationError as it was thrown in the other process.
 */
export function decodeAnswer(line: string): BuiltAsset | undefined {
  const answer = parse(line);
  const error = property(answer, "error");
  if (error !== undefined) throw toError(error);
  const asset = property(answer, "asset");
  return isAsset(asset) ? asset : undefined;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function toError(error: unknown): MigrationError {
  const code = property(error, "code");
  const hint = property(error, "hint");
  const problems = property(error, "problems");
  return new MigrationError(isErrorCode(code) ? code : "MIGRATION", String(property(error, "message")), {
    ...(typeof hint === "string" ? { hint } : {}),
    problems: Array.isArray(problems) ? problems.filter(isProblem) : [],
  });
}

function isProblem(value: unknown): value is FileProblem {
  return isText(value, "file") && isText(value, "message");
}

function isAsset(value: unknown): value is BuiltAsset {
  const manifest = property(value, "manifest");
  const migrations = property(manifest, "migrations");
  const sound = Array.isArray(migrations) && migrations.every(isMigration);
  return isText(value, "dir") && isText(value, "hash") && isText(manifest, "hash") && sound;
}

function isMigration(value: unknown): value is ManifestMigration {
  return ["name", "fileName", "kind", "digest"].every((key) => isText(value, key));
}

function isText(value: unknown, key: string): boolean {
  return typeof property(value, key) === "string";
}
