import type { ContractUse, WaitingMigration } from "../../core/index.ts";
import { describeUse } from "../../engine/index.ts";
import { commandLine } from "../process-io.ts";
import { type Printer, visibleAll } from "./printer.ts";

/** Prints what each contract waits for, and how a person runs one without waiting. */
export function printWaiting(printer: Printer, waiting: readonly WaitingMigration[]): void {
  if (waiting.length === 0) return;
  for (const { migration, waitsFor } of visibleAll(waiting))
    printer.line(`${printer.colors.yellow(migration)} waits: ${waitsFor.message}.`);
  printer.line(
    `  Once no code needs the old shape, ${commandLine("up", "--contract <name>")} applies one without waiting.`,
  );
}

/** Prints what still names that which pending contracts drop. */
export function printUses(printer: Printer, uses: readonly ContractUse[]): void {
  for (const use of visibleAll(uses)) printer.line(`${printer.colors.yellow("Note:")} ${describeUse(use)}.`);
}
