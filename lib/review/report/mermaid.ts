import type { Diagram, DiagramColumn, DiagramTable, Relationship } from "./diagram.ts";

/** The diagram in the language of Mermaid, which GitHub, GitLab and many editors draw. */
export function renderMermaid({ tables, relationships }: Diagram): string {
  const lines = [...tables.flatMap(entity), ...relationships.map(relationship)];
  return `${["erDiagram", ...lines.map((line) => `  ${line}`)].join("\n")}\n`;
}

function entity({ name, change, columns }: DiagramTable): string[] {
  const alias = change === undefined ? "" : `[${quoted(`${name} (${change})`)}]`;
  const head = `${quoted(name)}${alias}`;
  return columns.length === 0 ? [head] : [`${head} {`, ...columns.map(attribute), "}"];
}

function attribute(column: DiagramColumn): string {
  const type = word(column.type);
  const name = word(column.name);
  const keys = [...(column.primary ? ["PK"] : []), ...(column.foreign ? ["FK"] : [])].join(", ");
  // A name that Mermaid cannot write as it is, is in the remark.
  const remarks = [
    ...(name === column.name ? [] : [column.name]),
    ...(column.nullable ? ["null"] : []),
    ...(column.change === undefined ? [] : [column.change]),
  ];
  const parts = [type, name, keys, remarks.length === 0 ? "" : quoted(remarks.join(", "))];
  return `  ${parts.filter((part) => part !== "").join(" ")}`;
}

function relationship({ source, target, columns, optional, unique, change }: Relationship): string {
  const line = `${optional ? "|o" : "||"}--${unique ? "o|" : "o{"}`;
  const label = columns.join(", ") + (change === undefined ? "" : ` (${change})`);
  return `${quoted(target)} ${line} ${quoted(source)} : ${quoted(label)}`;
}

/** Anything may be in quotes, except for what ends them and what Mermaid or HTML reads as markup. */
function quoted(text: string): string {
  return `"${text.replace(/["%\\#;<>&{}`\p{Cc}]/gu, (character) => `#${character.codePointAt(0)};`)}"`;
}

/** The words that Mermaid reads as keys of a column. */
const KEYWORD = /^(?:pk|fk|uk)$/i;

/** Types and names of columns are words of letters, digits, hyphens, underscores, parentheses and brackets. */
function word(text: string): string {
  const plain = text.replace(/[^\p{L}\p{N}()[\]_-]/gu, "_");
  const whole = /^[\p{L}_]/u.test(plain) ? plain : `_${plain}`;
  return KEYWORD.test(whole) ? `${whole}_` : whole;
}
