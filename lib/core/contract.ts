import { MigrationError } from "./errors.ts";
import { inRunningOrder } from "./order.ts";

/** What a file says about its contract: the migration that it waits for, or why what it says cannot be read. */
export type ContractDeclaration =
  | { readonly after: string }
  /** Goes on after the name of the file. */
  | { readonly problem: string };

/** How the two kinds of files declare a contract, for hints. */
export const CONTRACT_FORMS =
  '"-- migrate: contract after <name>" above the first statement of a SQL file, or export const contractAfter = "<name>"';

const LIKE_CONTRACT = /^[ \t]*--[-\s]*migrate\s*:\s*contract.*$/gim;
const CONTRACT = /^--\s*migrate\s*:\s*contract\s+after\s+(\S.*?)\s*$/i;

/**
 * Reads the declaration of a SQL file. A line that looks like one and has no effect is a problem: the migration would run
 * at once. No lexer is used, so that such a line in a string is one too.
 */
export function readContractComment(file: string): ContractDeclaration | undefined {
  if (!/contract/i.test(file)) return undefined;
  const text = file.replace(/^\uFEFF/, "");
  const [first, second] = [...text.matchAll(LIKE_CONTRACT)];
  if (first === undefined) return undefined;
  const line = lineOf(text, first.index);
  if (second !== undefined)
    return { problem: `:${lineOf(text, second.index)} is its second contract; the first is in line ${line}` };
  const comment = first[0].trim();
  const [, after] = CONTRACT.exec(comment) ?? [];
  if (after === undefined)
    return { problem: `:${line} has "${comment.slice(0, 60)}", which is not understood` };
  if (first.index >= headerLength(text))
    return { problem: `:${line} has a contract that is not above the first statement` };
  return { after };
}

/** Whether a comment, without its dashes, can only be the declaration of a contract. */
export function isContractComment(bare: string): boolean {
  return /^migrate\s*:\s*contract/i.test(bare);
}

/** The comments and blank lines above the first statement, or above the section that undoes. */
function headerLength(text: string): number {
  const header = /^(?:\s|\/\*[\s\S]*?\*\/|--(?![-\s]*down\s+migration).*)*/i.exec(text)?.[0] ?? "";
  // A declaration inside a block comment is only a comment.
  const block = /\/\*[\s\S]*?\*\//g;
  const inBlock = [...header.matchAll(block)].find((match) => /migrate\s*:\s*contract/i.test(match[0]));
  return inBlock === undefined ? header.length : inBlock.index;
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|\r|\n/).length;
}

/**
 * The migration that each contract waits for.
 * @param replaced names that baselines stand for
 * @throws MigrationError `MIGRATION` for a declaration that cannot be read, and for a name that no earlier migration has
 */
export function contractTargets(
  entries: readonly { readonly name: string; readonly fileName: string }[],
  declared: ReadonlyMap<string, ContractDeclaration>,
  replaced: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  if (declared.size === 0) return new Map();
  const order = inRunningOrder(entries, ({ fileName }) => fileName);
  const position = new Map(order.map(({ name }, index) => [name, index]));
  const targets = new Map<string, string>();
  for (const { name, fileName } of order) {
    const declaration = declared.get(name);
    if (declaration === undefined) continue;
    if ("problem" in declaration) throw wrongContract(name, `${fileName}${declaration.problem}`);
    const { after } = declaration;
    const [own, other] = [position.get(name) ?? 0, position.get(after)];
    if (after === name) throw wrongContract(name, `${fileName} is a contract after itself`);
    if (other !== undefined && other > own)
      throw wrongContract(
        name,
        `${fileName} is a contract after ${after}, which comes later in the running order`,
      );
    if (other === undefined && !replaced.has(after)) throw unknownTarget(name, fileName, after, position);
    targets.set(name, after);
  }
  return targets;
}

function unknownTarget(
  migration: string,
  fileName: string,
  after: string,
  names: ReadonlyMap<string, number>,
): MigrationError {
  const near = [...names.keys()].find(
    (name) => name !== migration && (name.includes(after) || after.includes(name)),
  );
  const hint = near === undefined ? undefined : `Did you mean ${near}?`;
  return wrongContract(
    migration,
    `${fileName} is a contract after "${after}", which is no migration here`,
    hint,
  );
}

function wrongContract(migration: string, message: string, hint?: string): MigrationError {
  return new MigrationError("MIGRATION", message, {
    migration,
    hint: hint ?? `Name an earlier migration, by its file name without the extension: ${CONTRACT_FORMS}.`,
  });
}
