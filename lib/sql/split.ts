import { isKeyword, isMark, scan, type Token } from "./lexer.ts";

/**
 * One statement from its first token to its last, without its `;` and without comments and white space around it.
 * `text` is `sql.slice(start, end)`; offsets are UTF-16 code units.
 */
export interface Statement {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** How much of CREATE [OR REPLACE] FUNCTION | PROCEDURE the beginning of a statement has matched. */
type Head = "start" | "create" | "or" | "replace" | "routine" | "else";

interface Nesting {
  parentheses: number;
  /** Open bodies of SQL-standard routines. PostgreSQL parses nested ones, but rejects them later. */
  bodies: number;
  head: Head;
  previous: Token | undefined;
}

/** Splits SQL at the semicolons that end statements. Empty statements are dropped. */
export function splitStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  visitStatements(sql, (statement) => statements.push(statement));
  return statements;
}

/** Like `splitStatements`, but keeps nothing: the statements of a large text take several times its size. */
export function visitStatements(sql: string, visit: (statement: Statement) => void): void {
  let [start, end] = [-1, -1];
  scanStatements(sql, {
    token: (token) => {
      if (start < 0) start = token.start;
      end = token.end;
    },
    end: () => {
      visit({ text: sql.slice(start, end), start, end });
      start = -1;
    },
  });
}

/** The tokens of each statement, without comments and the final `;`. No list is empty. */
export function statementTokens(sql: string): Token[][] {
  const statements: Token[][] = [];
  let current: Token[] = [];
  scanStatements(sql, {
    token: (token) => current.push(token),
    end: () => {
      statements.push(current);
      current = [];
    },
  });
  return statements;
}

/** Whether the tokens of some statement pass the test. Holds the tokens of one statement at a time. */
export function someStatement(sql: string, test: (tokens: readonly Token[]) => boolean): boolean {
  let current: Token[] = [];
  let passed = false;
  scanStatements(sql, {
    token: (token) => {
      if (!passed) current.push(token);
    },
    end: () => {
      passed ||= test(current);
      current = [];
    },
  });
  return passed;
}

/** Receives the tokens of SQL while it is read. */
export interface StatementVisitor {
  /** Called for each token of a statement, without comments and the final `;`. */
  token(token: Token): void;
  /** Called after the tokens of each statement that is not empty. */
  end(): void;
  comment?(token: Token): void;
}

/** Reads SQL statement by statement without keeping any of it. */
export function scanStatements(sql: string, visitor: StatementVisitor): void {
  let isEmpty = true;
  let nesting = outermost();
  const end = (): void => {
    if (!isEmpty) visitor.end();
    isEmpty = true;
    nesting = outermost();
  };
  scan(sql, (token) => {
    if (token.kind === "comment") {
      visitor.comment?.(token);
    } else if (isSeparator(sql, token, nesting)) {
      end();
    } else {
      isEmpty = false;
      visitor.token(token);
      advance(sql, token, nesting);
    }
  });
  end();
}

/** Fast path: text without any of these cannot stay open, so it need not be tokenized. */
const MAY_STAY_OPEN = /['"$]|\/\*|\batomic\b/i;

/** False if text appended to this SQL would be inside a literal, an identifier, a comment or a routine body. */
export function isSelfContained(sql: string): boolean {
  if (!MAY_STAY_OPEN.test(sql)) return true;
  let nesting = outermost();
  let last: Token | undefined;
  scan(sql, (token) => {
    last = token;
    if (token.kind === "comment") return;
    if (isSeparator(sql, token, nesting)) nesting = outermost();
    else advance(sql, token, nesting);
  });
  return nesting.parentheses === 0 && nesting.bodies === 0 && endsBefore(`${sql.slice(last?.start)}\n`);
}

/** Whether a semicolon appended to this text would be a separate token. */
function endsBefore(text: string): boolean {
  let start = 0;
  scan(`${text};`, (token) => {
    start = token.start;
  });
  return start === text.length;
}

function outermost(): Nesting {
  return { parentheses: 0, bodies: 0, head: "start", previous: undefined };
}

function isSeparator(sql: string, token: Token, nesting: Nesting): boolean {
  return nesting.parentheses === 0 && nesting.bodies === 0 && isMark(sql, token, ";");
}

function advance(sql: string, token: Token, nesting: Nesting): void {
  if (token.kind === "punctuation") {
    advanceMark(sql, token, nesting);
  } else if (nesting.parentheses === 0) {
    advanceWord(sql, token, nesting);
  }
  nesting.previous = token;
}

function advanceMark(sql: string, token: Token, nesting: Nesting): void {
  if (isMark(sql, token, "(")) {
    nesting.parentheses++;
  } else if (isMark(sql, token, ")")) {
    nesting.parentheses = Math.max(0, nesting.parentheses - 1);
  }
  // Only inside a body does a `;` reach this point; elsewhere it is a separator.
  if (nesting.parentheses === 0 && isMark(sql, token, ";")) nesting.head = "start";
}

/**
 * A body ends with the word END at the beginning of a statement. CASE ... END and a column labelled `end` occur inside
 * statements, and the END that commits is not allowed in a body, so no counting is needed.
 */
function advanceWord(sql: string, token: Token, nesting: Nesting): void {
  if (nesting.head === "routine") {
    if (isKeyword(sql, token, "atomic") && isKeyword(sql, nesting.previous, "begin")) {
      nesting.bodies++;
      nesting.head = "start";
    }
  } else if (nesting.bodies > 0 && nesting.head === "start" && isKeyword(sql, token, "end")) {
    nesting.bodies--;
    nesting.head = "else";
  } else {
    nesting.head = nextHead(sql, token, nesting.head);
  }
}

function nextHead(sql: string, token: Token, head: Head): Head {
  switch (head) {
    case "start":
      return isKeyword(sql, token, "create") ? "create" : "else";
    case "create":
      if (isKeyword(sql, token, "or")) return "or";
      return isRoutine(sql, token) ? "routine" : "else";
    case "or":
      return isKeyword(sql, token, "replace") ? "replace" : "else";
    case "replace":
      return isRoutine(sql, token) ? "routine" : "else";
    default:
      return "else";
  }
}

function isRoutine(sql: string, token: Token): boolean {
  return isKeyword(sql, token, "function") || isKeyword(sql, token, "procedure");
}

/** A longer text is assumed to hold a statement; nobody writes a comment of this length. */
const MAX_COMMENT_LENGTH = 20_000;

/** Whether these texts are empty or hold only comments. */
export function isEmptySql(texts: readonly string[]): boolean {
  return texts.every((text) => text.length <= MAX_COMMENT_LENGTH && splitStatements(text).length === 0);
}
