import {
  commandArguments,
  commandLineWords,
  type Hint,
  type HintTerm,
  renderHint,
} from "../../core/index.ts";
import { commandLine } from "../world.ts";

/** A hint as a person at a terminal can follow it: commands are whole command lines. */
export function adviceFor(hint: string | Hint): string {
  return renderHint(hint, terminalWords);
}

function terminalWords(term: HintTerm): string {
  if (term.kind !== "command") return commandLineWords(term);
  return commandLine(term.command, commandArguments(term.input).join(" "));
}
