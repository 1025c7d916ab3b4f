import { MigrationError } from "../core/index.ts";
import {
  type Statement,
  statementTokens,
  type TransactionControl,
  transactionControl,
  visitStatements,
} from "../sql/index.ts";

interface Control extends Statement {
  readonly kind: TransactionControl;
  readonly step: number;
  /** Index among the statements of all steps. */
  readonly index: number;
}

/** SQL without any of these words is not split into statements. */
const CONTROL_WORDS = /\b(begin|start|commit|end|rollback|abort|prepare)\b/i;

/**
 * Removes a BEGIN … COMMIT that encloses a whole migration, as files for psql have it: the engine opens the transaction.
 * @throws MigrationError `MIGRATION` for any other transaction control: after a failure a part of the migration would
 * stay without a record
 */
export function withoutOwnTransaction(name: string, steps: readonly string[]): readonly string[] {
  if (!steps.some((step) => CONTROL_WORDS.test(step))) return steps;
  const { controls, count } = readControls(steps);
  const [begin, commit] = [controls[0], controls.at(-1)];
  if (begin === undefined || commit === undefined) return steps;
  const encloses =
    controls.length === 2 &&
    begin.kind === "begin" &&
    commit.kind === "commit" &&
    begin.index === 0 &&
    commit.index === count - 1;
  if (!encloses) throw hasControl(name, begin);
  for (const { text } of [begin, commit]) if (!isBare(text)) throw saysMore(name, text);
  return steps.map((step, index) =>
    blank(
      step,
      [begin, commit].filter((control) => control.step === index),
    ),
  );
}

/** @returns `count`: the number of statements */
function readControls(steps: readonly string[]): { controls: readonly Control[]; count: number } {
  const controls: Control[] = [];
  let count = 0;
  for (const [step, sql] of steps.entries()) {
    visitStatements(sql, (statement) => {
      const kind = transactionControl(statement.text);
      if (kind !== undefined) controls.push({ ...statement, kind, step, index: count });
      count += 1;
    });
  }
  return { controls, count };
}

/** Whether it is a plain BEGIN or COMMIT, without options. */
function isBare(statement: string): boolean {
  const words = statementTokens(statement)[0] ?? [];
  const [first, second] = words.map(({ start, end }) => statement.slice(start, end).toLowerCase());
  if (first === "start") return words.length === 2;
  const noise = second === "work" || second === "transaction" ? 1 : 0;
  return words.length === 1 + noise && first !== "prepare";
}

function saysMore(name: string, statement: string): MigrationError {
  return new MigrationError(
    "MIGRATION",
    `migration ${name} says how its transaction is to be, where the engine opens and ends it: ${statement}`,
    {
      migration: name,
      hint: "Put SET TRANSACTION … as its first statement in the place of that BEGIN, and leave COMMIT out; or begin the file with -- migrate: no-transaction.",
    },
  );
}

/** Replaces statements by spaces, so that positions in the rest stay those of the file. The semicolon stays, as an empty statement. */
function blank(step: string, controls: readonly Control[]): string {
  return controls.reduce(
    (text, { start, end }) => text.slice(0, start) + " ".repeat(end - start) + text.slice(end),
    step,
  );
}

function hasControl(name: string, { text }: Control): MigrationError {
  return new MigrationError("MIGRATION", `migration ${name} controls its transaction itself: ${text}`, {
    migration: name,
    hint: "Take it out, the engine opens and ends the transaction; or begin the file with -- migrate: no-transaction.",
  });
}
