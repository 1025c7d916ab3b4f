/** SQL as text: tokens, statements, classification, sections of a file, digests, positions, and masking of secrets. Needs no database. */
export {
  asPlainSql,
  BATCH,
  type BackfillStatement,
  readBackfillStatements,
  readIdentifier,
  withCondition,
} from "./backfill.ts";
export {
  concernsTransaction,
  firstTransactionControl,
  isConcurrent,
  isSessionSetting,
  mayLeaveResidue,
  type TransactionControl,
  transactionControl,
} from "./classify.ts";
export { type IndexBuild, type NameParts, readTraceable, type TraceableStatement } from "./concurrent.ts";
export { DIGEST_VERSION, sqlDigest } from "./digest.ts";
export { type DroppedName, droppedNames } from "./dropped-names.ts";
export { type ExternalNames, findExternalEffect, findLastingEffect } from "./external-effects.ts";
export { isKeyword, isMark, scan, type Token, tokenize } from "./lexer.ts";
export { chunksOf, quoteJson, quoteLiteral } from "./literals.ts";
export { type MaskedSql, maskQuoted, maskSecrets, maskSql, maskText, oneLine } from "./mask.ts";
export { mentions, runsOtherCode } from "./mentions.ts";
export { codePointLength, codeUnitOffset, countLines, type Location, locate } from "./position.ts";
export {
  asksForNoTransaction,
  NO_TRANSACTION,
  readHalf,
  readSections,
  type Section,
  type SectionSettings,
} from "./sections.ts";
export {
  isEmptySql,
  isSelfContained,
  type Statement,
  splitStatements,
  statementTokens,
  visitStatements,
} from "./split.ts";
