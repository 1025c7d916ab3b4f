import { isKeyword, isMark, scan, type Token } from "./lexer.ts";

/**
 * One statement: from its first token to its last. Comments and white space around it and its `;` are left
 * out (comments inside it are in), so `text` is `sql.slice(start, end)`. Offsets are UTF-16 code units.
 */
export interface Statement {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** How far the beginning of a statement reads like CREATE [OR REPLACE] FUNCTION | PROCEDURE. */
type Head = "start" | "create" | "or" | "replace" | "routine" | "else";

interface Nesting {
  parentheses: number;
  /** Bodies of SQL-standard routines that are open; PostgreSQL refuses more than one, but parses them. */
  bodies: number;
  head: Head;
  previous: Token | undefined;
}

/** Cuts SQL at the semicolons that end statements. There are no empty statements. */
export function splitStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  visitStatements(sql, (statement) => statements.push(statement));
  return statements;
}

/** The same, one statement after the other: those of a large text take several times its size. */
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

/** The tokens of each statement, without comments and without the `;` that ends it; never an empty list. */
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

/** Whether one of the statements passes the test, which is given its tokens. Holds those of one statement at a time. */
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

/** What is told while SQL is read. */
export interface StatementVisitor {
  /** Of a statement: neither comments nor the `;` that ends it. */
  token(token: Token): void;
  /** Once for each statement, after its tokens; never for an empty one. */
  end(): void;
  comment?(token: Token): void;
}

/** Reads SQL statement by statement and keeps nothing. */
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

/** Nearly all SQL has none of these, and need not be cut into tokens. */
const MAY_STAY_OPEN = /['"$]|\/\*|\batomic\b/i;

/** False when what follows would still be inside of a literal, a name, a comment or a body of this text. */
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

/** Whether a semicolon behind this text would be a token of its own. */
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
  // The statement that begins after a `;` here is one of a body: elsewhere that `;` was a separator.
  if (nesting.parentheses === 0 && isMark(sql, token, ";")) nesting.head = "start";
}

/**
 * A body's END is the one word END that begins a statement: CASE ... END and a column labelled `end` stand
 * inside one, and the END that commits is no statement a body may hold. So nothing needs to be counted.
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

/** No comment of this length stands alone; a longer text is not looked through for it. */
const LONGEST_EMPTY = 20_000;

/** Whether these texts hold no statement: nothing, or nothing but comments. */
export function isEmptySql(texts: readonly string[]): boolean {
  return texts.every((text) => text.length <= LONGEST_EMPTY && splitStatements(text).length === 0);
}
