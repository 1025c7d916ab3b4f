import {
  commandArguments,
  commandLineWords,
  type Finding,
  type Hint,
  type HintTerm,
  renderHint,
  type StatusReport,
} from "../../core/index.ts";
import { commandLine } from "../process-io.ts";
import { type Printer, visibleAll } from "./printer.ts";

/** A hint as a person at a terminal can follow it: commands are whole command lines. */
export function adviceFor(hint: string | Hint): string {
  return renderHint(hint, terminalWords);
}

function terminalWords(term: HintTerm): string {
  if (term.kind !== "command") return commandLineWords(term);
  return commandLine(term.command, commandArguments(term.input).join(" "));
}

/** Prints what `up` would refuse and what it would only mention, each with its hint. */
export function printFindings(printer: Printer, report: Pick<StatusReport, "refusals" | "warnings">): void {
  const { colors } = printer;
  const [refusals, warnings] = [withAdvice(report.refusals), withAdvice(report.warnings)];
  for (const { code, message, hint } of refusals) {
    printer.line(`${colors.red(code)} ${message}`);
    if (hint !== "") printer.line(`  ${hint}`);
  }
  if (refusals.length > 0) printer.line(`Until then, ${commandLine("up")} refuses to run.`);
  for (const { message, hint } of warnings) {
    printer.line(`${colors.yellow("Note:")} ${message}`);
    if (hint !== "") printer.line(`  ${hint}`);
  }
}

function withAdvice(findings: readonly Finding[]): readonly Finding[] {
  return visibleAll(findings.map((finding) => ({ ...finding, hint: adviceFor(finding.hint) })));
}
