import { isConcurrent, splitStatements } from "../../sql/index.ts";
import type { PlannedMigration } from "../plan.ts";

/** Why a migration does not run to be measured, and whether its kind is known to block neither reads nor writes. */
export function whyUnmeasurable({
  rendered,
  recordedAs,
}: PlannedMigration): { readonly reason: string; readonly blocksNobody: boolean } | undefined {
  if (recordedAs !== undefined)
    return { reason: "it is only recorded: none of its SQL runs", blocksNobody: true };
  if (rendered.kind === "static" && rendered.backfill !== undefined)
    return { reason: "it is a backfill, whose batches are committed one by one", blocksNobody: true };
  if (rendered.kind === "dynamic" || rendered.transactional) return undefined;
  const statements = rendered.steps.flatMap((text) => splitStatements(text));
  const blocksNobody = statements.every(({ text }) => isConcurrent(text) || HARMLESS.test(text));
  return { reason: OUTSIDE_TRANSACTION, blocksNobody };
}

export const OUTSIDE_TRANSACTION = "it runs outside a transaction, which nothing can roll back";

/** Outside a transaction, such statements lock no table so that reads or writes wait. */
const HARMLESS =
  /^(?:(?:set|reset|analyze)\b|vacuum\b(?![^;]*\bfull\b)|alter\s+type\s+[^;]*\sadd\s+value\b|alter\s+table\s+[^;]*\svalidate\s+constraint\s+(?:\w+|"[^"]+")\s*;?$)/i;

/** Why a migration was left out: measuring was ended before its turn. */
export function notReached(stopped: string): string {
  return `measuring was ended with ${stopped}`;
}
