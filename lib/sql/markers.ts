import { type Direction, isBaselineDirective, isContractComment } from "../core/index.ts";

/** A comment of a SQL file. */
export interface Note {
  /** With its dashes, or with its slashes and stars. */
  readonly text: string;
  /** Whether it begins its line. */
  readonly alone: boolean;
}

/** What a comment means to the engine. */
export type Meaning =
  | { readonly kind: "marker"; readonly direction: Direction }
  /** It begins like a marker, so that plain node-pg-migrate takes it for one. */
  | { readonly kind: "similar"; readonly direction: Direction }
  | { readonly kind: "no-transaction" }
  | { readonly kind: "backfill" }
  /** A line of the header of a baseline. */
  | { readonly kind: "baseline" }
  /** The declaration of a contract, or what can only be meant as one. */
  | { readonly kind: "contract" }
  /** Refused if a statement follows that would be applied. */
  | { readonly kind: "misspelled"; readonly message: string; readonly hint: string }
  | { readonly kind: "refused"; readonly message: string; readonly hint: string };

/** Undefined for a comment without a meaning to the engine. */
export function meaningOf({ text, alone }: Note): Meaning | undefined {
  if (text.startsWith("/*")) return ofBlock(text);
  const bare = text.replace(/^[-\s]+|[-\s]+$/g, "");
  const marker = directionOf(/^(up|down)\s+migration$/i, bare);
  if (marker !== undefined) return { kind: "marker", direction: marker };
  if (/^migrate\s*:\s*no-transaction$/i.test(bare)) return { kind: "no-transaction" };
  if (/^migrate\s*:\s*backfill$/i.test(bare)) return { kind: "backfill" };
  if (isBaselineDirective(text)) return { kind: "baseline" };
  if (isContractComment(bare)) return { kind: "contract" };
  const foreign = foreignMarker(text);
  if (foreign !== undefined) return foreign;
  if (!alone) return undefined;
  const similar = directionOf(/^(up|down)\s+migration/i, bare);
  if (similar !== undefined) return { kind: "similar", direction: similar };
  return misspelled(bare);
}

function directionOf(pattern: RegExp, text: string): Direction | undefined {
  const [, word] = pattern.exec(text) ?? [];
  if (word === undefined) return undefined;
  return word.toLowerCase() === "up" ? "up" : "down";
}

/** Checks a block comment line by line. A marker in it is refused, because it may have been commented out by accident. */
function ofBlock(text: string): Meaning | undefined {
  const lines = text.replace(/^\/\*+|\*+\/$/g, "").split(/\r\n|\r|\n/);
  for (const line of lines) {
    const bare = line.replace(/^[-\s*]+|[-\s*]+$/g, "");
    const isMarker =
      /^(?:(?:up|down)\s+migration|migrate\s*:\s*(?:no-transaction|backfill))$/i.test(bare) ||
      isContractComment(bare);
    const marker = isMarker ? bare : undefined;
    if (marker !== undefined) {
      return refused(
        `has "${marker}" in a block comment, where it is only a comment`,
        "Put it on a line of its own that begins with two dashes, or take it out.",
      );
    }
    const other = foreignMarker(line.trim()) ?? misspelled(bare);
    if (other !== undefined) return other;
  }
  return undefined;
}

const TOOLS: readonly (readonly [tool: string, pattern: RegExp])[] = [
  ["dbmate", /^--\s*migrate\s*:\s*(?:up|down)\b/i],
  ["goose", /^--\s*\+\s*goose\b/i],
  ["sql-migrate", /^--\s*\+\s*mi(?:g|c)rate\b/i],
  ["liquibase", /^--\s*(?:liquibase\s+formatted|changeset\s+\S+:\S+)/i],
  [
    "liquibase",
    /^--\s*rollback\s*(?:drop|alter|create|delete|insert|update|truncate|grant|revoke|select|not\s+required|empty)\b/i,
  ],
  ["MyBatis or DBDeploy", /^--\s*\/\/\s*@?undo\b/i],
  ["Play", /^(?:--|#)[-\s]*!\s*(?:ups|downs)\b/i],
  ["rambler", /^--\s*rambler\s+(?:up|down)\b/i],
  ["tern", /^--[-\s]*create above\s*\/\s*drop below/i],
  ["postgres-migrations", /^--\s*postgres-migrations\b/i],
  ["Flyway", /^--\s*flyway\s*:/i],
  ["Atlas", /^--\s*atlas\s*:/i],
];

/** Markers of other tools. They have no effect here: the whole file would run, its SQL to undo included. */
function foreignMarker(text: string): Meaning | undefined {
  const tool = TOOLS.find(([, pattern]) => pattern.test(text))?.[0];
  if (tool === undefined) return undefined;
  return refused(
    `has "${text.trim().slice(0, 60)}", which means something to ${tool} and nothing here`,
    'The sections of a file begin with "-- Up Migration" and "-- Down Migration", and "-- migrate: no-transaction" takes it out of the transaction.',
  );
}

const TRANSACTION_OFF =
  /\b(?:no|without|disable|skip)[-_ ]?trans?a?c\w*|\btransaction\s*[:=]\s*(?:false|off|no|none)\b/i;

/** A contract without its word or its colon: as a mere comment, it would let the migration run at once. */
const LIKE_CONTRACT =
  /^migrat\w*\s*:\s*(?:\S+\s+)?after\s+\S+$|^(?:migrat\w*\s+)?contract\s*:?\s*after\s*:?\s*\S+$/i;

/** A comment that can only be a misspelled marker. Sentences and quotations are ignored. */
function misspelled(bare: string): Meaning | undefined {
  if (/^["'`]/.test(bare)) return undefined;
  const isShort = bare.split(/\s+/).length <= 3 || /^migrat\w*\s*:/i.test(bare);
  const isLike = /^migrate\s*:\s*\S+$/i.test(bare) || LIKE_CONTRACT.test(bare);
  if (isLike || (isShort && TRANSACTION_OFF.test(bare))) {
    return refused(
      `has "${bare.slice(0, 60)}", which is not understood`,
      'Write "-- migrate: no-transaction" to run the file, or a section, outside a transaction, "-- migrate: backfill" to run one statement in batches, or "-- migrate: contract after <name>" to wait until old code cannot come back.',
    );
  }
  if (!/^(?:down|undo|rollback|revert|migration\s+down|down[-_]?migrat\w*)\s*:?$/i.test(bare))
    return undefined;
  return {
    kind: "misspelled",
    message: `has the comment "${bare}", which is no marker: what follows it would be applied`,
    hint: 'Write "-- Down Migration" for the section that undoes, or the comment in other words.',
  };
}

function refused(message: string, hint: string): Meaning {
  return { kind: "refused", message, hint };
}
