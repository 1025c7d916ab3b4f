import type { StatusReport } from "../../migrator/index.ts";
import { commandLine } from "../world.ts";
import { adviceFor } from "./advice.ts";
import type { Printer } from "./printer.ts";

/** What `up` would refuse, or only mention, each with what to do. */
export function printFindings(printer: Printer, report: Pick<StatusReport, "refusals" | "warnings">): void {
  const { colors } = printer;
  for (const { code, message, hint } of report.refusals) {
    printer.line(`${colors.red(code)} ${message}`);
    printer.line(`  ${adviceFor(hint)}`);
  }
  if (report.refusals.length > 0) printer.line(`Until then, ${commandLine("up")} refuses to run.`);
  for (const { message, hint } of report.warnings) {
    printer.line(`${colors.yellow("Note:")} ${message}`);
    printer.line(`  ${adviceFor(hint)}`);
  }
}
