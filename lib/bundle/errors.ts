/** One thing that is wrong with one file. */
export interface FolderProblem {
  /** The file's name in the folder, or the absolute path of a file that a migration imports. */
  readonly file: string;
  /** 1-based place in the file, where it is known. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** What is known about a failure beyond its message. */
export interface FolderErrorDetails {
  readonly hint?: string;
  readonly problems?: readonly FolderProblem[];
  readonly cause?: unknown;
}

/**
 * The one error type of this room. `USAGE`: what was asked cannot be done. `MIGRATION`: a file is not a
 * migration, does not compile, or throws when it is loaded. The engine and the CLI have the same codes.
 */
export class FolderError extends Error {
  override readonly name = "FolderError";
  readonly code: "USAGE" | "MIGRATION";
  readonly hint: string | undefined;
  /** Everything that was found, not only the first. */
  readonly problems: readonly FolderProblem[];

  constructor(code: "USAGE" | "MIGRATION", message: string, details: FolderErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.problems = details.problems ?? [];
  }
}

const LINES_SHOWN = 20;

/** Problems as indented lines of a message, by file; of very many the first ones. */
export function severalLines(problems: readonly FolderProblem[]): readonly string[] {
  const lines = problems.map((problem) => `  ${problemLine(problem)}`).toSorted();
  const more = lines.length - LINES_SHOWN;
  return more > 0 ? [...lines.slice(0, LINES_SHOWN), `  … and ${more} more`] : lines;
}

/** `file:line:column: message (hint)`, as far as each is known. */
export function problemLine(problem: FolderProblem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(":");
  return problem.hint === undefined
    ? `${place}: ${problem.message}`
    : `${place}: ${problem.message} (${problem.hint})`;
}
