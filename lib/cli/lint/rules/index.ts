import type { Draft } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";
import { brokenSql } from "./broken-sql.ts";
import { concurrentlyInTransaction } from "./concurrently-in-transaction.ts";
import type { RuleContext } from "./context.ts";
import { ddlWithData } from "./ddl-with-data.ts";
import { downDropsData } from "./down-drops-data.ts";
import { empty } from "./empty.ts";
import { missingDown } from "./missing-down.ts";
import { notLinted } from "./not-linted.ts";
import { olderThanApplied } from "./older-than-applied.ts";
import { STATEMENT_RULES } from "./statement-rules.ts";
import { statementRules } from "./statements.ts";

export type Rule = (migration: ReadMigration, context: RuleContext) => Draft[];

/** What squawk cannot see, or not as well. */
export const OWN_RULES: readonly Rule[] = [
  notLinted,
  brokenSql,
  missingDown,
  olderThanApplied,
  concurrentlyInTransaction,
  ddlWithData,
  downDropsData,
  statementRules,
  empty,
];

export const OWN_RULE_NAMES: readonly string[] = [
  "cannot-build",
  "not-linted",
  "syntax-error",
  "missing-down",
  "older-than-applied",
  "concurrently-in-transaction",
  "ddl-with-data",
  "down-drops-data",
  "refused-in-transaction",
  "empty-up",
  "empty-down",
  ...STATEMENT_RULES.map(({ name }) => name),
  "useless-ignore",
];
