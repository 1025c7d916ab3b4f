import { MigrationError } from "../errors.ts";
import { type TransactionControl, transactionControl } from "../sql/classify.ts";
import { splitStatements, statementTokens } from "../sql/split.ts";

interface Control {
  readonly step: number;
  readonly start: number;
  readonly end: number;
  readonly kind: TransactionControl;
}

/** Nearly no migration has one of these words; the rest is not worth cutting into statements. */
const WORTH_A_LOOK = /\b(begin|start|commit|end|rollback|abort|prepare)\b/i;

/**
 * Takes a BEGIN … COMMIT that encloses a whole migration off: files written for psql have it, and the engine opens
 * the transaction itself.
 * @throws MigrationError `MIGRATION` for any other transaction control: half of the migration would stay when it
 * fails, and no record would say so
 */
export function withoutOwnTransaction(name: string, steps: readonly string[]): readonly string[] {
  if (!steps.some((step) => WORTH_A_LOOK.test(step))) return steps;
  const statements = steps.flatMap((text, step) => splitStatements(text).map((one) => ({ ...one, step })));
  const controls = statements.flatMap(({ step, start, end, text }): Control[] => {
    const kind = transactionControl(text);
    return kind === undefined ? [] : [{ step, start, end, kind }];
  });
  if (controls.length === 0) return steps;
  const [begin, commit] = [controls[0], controls.at(-1)];
  const [first, last] = [statements[0], statements.at(-1)];
  const encloses =
    controls.length === 2 &&
    begin?.kind === "begin" &&
    commit?.kind === "commit" &&
    begin.step === first?.step &&
    begin.start === first.start &&
    commit.step === last?.step &&
    commit.start === last.start;
  if (!encloses || begin === undefined || commit === undefined) throw hasControl(name, statements, controls);
  for (const one of [first, last]) if (one !== undefined && !isBare(one.text)) throw saysMore(name, one.text);
  return steps.map((step, index) =>
    blank(
      step,
      [begin, commit].filter((control) => control.step === index),
    ),
  );
}

/** Whether it says nothing about the transaction but that it begins, or that it is committed. */
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

/** Blanks, so that positions in the rest stay those of the file. The semicolon stays: an empty statement. */
function blank(step: string, controls: readonly Control[]): string {
  return controls.reduce(
    (text, { start, end }) => text.slice(0, start) + " ".repeat(end - start) + text.slice(end),
    step,
  );
}

function hasControl(
  name: string,
  statements: readonly { step: number; start: number; text: string }[],
  [first]: readonly Control[],
): MigrationError {
  const found = statements.find((one) => one.step === first?.step && one.start === first.start);
  return new MigrationError(
    "MIGRATION",
    `migration ${name} controls its transaction itself: ${found?.text ?? ""}`,
    {
      migration: name,
      hint: "Take it out, the engine opens and ends the transaction; or begin the file with -- migrate: no-transaction.",
    },
  );
}
