import type { Finding, StatusReport } from "../../core/index.ts";
import { commandLine } from "../world.ts";
import { adviceFor } from "./advice.ts";
import type { Printer } from "./printer.ts";
import { visibleAll } from "./visible.ts";

/** What `up` would refuse, or only mention, each with what to do. */
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
