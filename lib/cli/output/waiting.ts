import type { WaitingMigration } from "../../core/index.ts";
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
