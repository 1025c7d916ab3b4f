import type { ErrorDetails } from "../../core/index.ts";
import { PlainSql, type SqlOrigin } from "../build/actions.ts";
import type { FailingStatement, Part } from "../connection/message.ts";
import { countLines } from "../sql/position.ts";
import { type Statement, splitStatements } from "../sql/split.ts";
import { withAdvice } from "./advice.ts";
import type { Planned } from "./planned.ts";

/** Names the statement of a migration that failed: its number, and where it stands in the file. */
export class Whereabouts {
  readonly #planned: Planned;
  readonly #steps: readonly string[];
  readonly #queries: number;

  /** @param queries made through `pgm.db` before, which count as statements */
  constructor(planned: Planned, steps: readonly string[], queries: number) {
    this.#planned = planned;
    this.#queries = queries;
    this.#steps = steps;
  }

  /** For SQL that is a step, or stands in it from that offset on. */
  meaning(step: number, from = 0): NonNullable<Part["meaning"]> {
    return (error, failing) => {
      const all = this.#steps.flatMap((text) => splitStatements(text));
      const counts = this.#steps.slice(0, step).map((text) => splitStatements(text).length);
      const before = splitStatements((this.#steps[step] ?? "").slice(0, from)).length;
      const index = counts.reduce((sum, count) => sum + count, before) + (failing?.index ?? 0);
      const place =
        failing === undefined
          ? {}
          : { statementNumber: this.#queries + index + 1, ...this.#placeOf(all, index, failing) };
      return withAdvice(
        error.with({ statements: this.#queries + all.length, ...place }),
        all[index - 1]?.text,
      );
    };
  }

  #placeOf(
    all: readonly Statement[],
    index: number,
    { start, at }: FailingStatement,
  ): Pick<ErrorDetails, "file" | "line"> {
    const { context, direction } = this.#planned;
    const action = context.actions[direction];
    if (!(action instanceof PlainSql) || action.origin === undefined) return {};
    const { file, text } = action.origin;
    const inFile = statementsIn(action.origin);
    // An enclosing BEGIN is in the file only.
    const left = inFile[0]?.text === all[0]?.text ? 0 : 1;
    const found = inFile[index + left];
    return found === undefined ? {} : { file, line: countLines(text.slice(0, found.start + at - start)) };
  }
}

/** Offsets are those of the file. */
function statementsIn({ text, ranges }: SqlOrigin): Statement[] {
  return ranges.flatMap(({ start, end }) =>
    splitStatements(text.slice(start, end)).map((one) => ({
      text: one.text,
      start: one.start + start,
      end: one.end + start,
    })),
  );
}
