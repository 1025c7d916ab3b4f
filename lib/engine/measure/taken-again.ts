import { LOCK_MODES, type LockMode } from "../../core/index.ts";
import type { Observation, SentStatement } from "./observation.ts";
import type { TakenLock } from "./relations.ts";

/**
 * Locks of earlier migrations that this one takes too. In its own transaction it would take them itself, which cannot be
 * seen while they are held. It counts as taking them with the first statement that names the table, or what belongs to it,
 * and may need such a lock: a time that is too long is better than one that is too short.
 * @param names of tables and of what belongs to them, in lower case
 */
export function takenAgain(
  { taken, sent, after }: Observation,
  earlier: readonly Observation[],
  names: ReadonlyMap<number, readonly string[]>,
): TakenLock[] {
  const isTaken = new Set(taken.map(({ oid, mode }) => `${oid} ${mode}`));
  const held = earlier.flatMap((one) => one.taken).filter(({ oid, mode }) => !isTaken.has(`${oid} ${mode}`));
  return held.flatMap(({ oid, mode }) => {
    const renamed = after.flatMap((one) =>
      one.oid === oid || one.table === oid ? [one.name.toLowerCase()] : [],
    );
    const named = [...(names.get(oid) ?? []), ...renamed];
    const statement = sent.findIndex((one) => mayNeed(one, mode) && mayTouch(one, named));
    const sinceMs = sent[statement]?.sinceMs;
    return sinceMs === undefined ? [] : [{ oid, mode, sinceMs, statement: statement + 1 }];
  });
}

function mayTouch({ text }: SentStatement, names: readonly string[]): boolean {
  return /\b(?:cascade|domain)\b/.test(text) || names.some((name) => text.includes(name));
}

function mayNeed({ text }: SentStatement, mode: LockMode): boolean {
  const [, strongest = "ACCESS EXCLUSIVE"] = STRONGEST.find(([form]) => form.test(text)) ?? [];
  return LOCK_MODES.indexOf(strongest) >= LOCK_MODES.indexOf(mode);
}

/** The strongest lock of a statement on a table that is there, by its beginning. Any other one may need the strongest. */
const STRONGEST: readonly (readonly [RegExp, LockMode])[] = [
  [/^(?:select|insert|update|delete|merge|with|values|copy|explain)\b/, "ROW EXCLUSIVE"],
  [
    /^(?:comment|analyze|create\s+statistics|create\s+view|create\s+(?:or\s+replace\s+)?(?:function|procedure))\b/,
    "SHARE UPDATE EXCLUSIVE",
  ],
  [/^alter\s+table\s+[^,;]*\s(?:validate\s+constraint|set\s+statistics)\s[^,]*$/, "SHARE UPDATE EXCLUSIVE"],
  [/^create\s+(?:unique\s+)?index\b/, "SHARE"],
  [/^create\s+(?:\w+\s+)*?(?:trigger|table)\b/, "SHARE ROW EXCLUSIVE"],
  [
    /^alter\s+table\s+(?:if\s+exists\s+|only\s+)*\S+\s+add\s+(?:constraint\s+\S+\s+)?foreign\s+key\b(?!.*,\s*(?:add|drop|alter|set)\b)/s,
    "SHARE ROW EXCLUSIVE",
  ],
];
