import type { Change, Diagram, DiagramColumn, DiagramTable, Relationship } from "./diagram.ts";

/**
 * Colours of a picture. Graphviz writes them as attributes; the style sheet of the page replaces each by the variable
 * `--erd-<name>`, so that one picture serves the light and the dark theme.
 */
export const PICTURE_COLORS = {
  ink: "#000001",
  muted: "#000002",
  line: "#000003",
  panel: "#000004",
  head: "#000005",
  new: "#000006",
  "new-ink": "#000007",
  changed: "#000008",
  "changed-ink": "#000009",
  dropped: "#00000a",
  "dropped-ink": "#00000b",
  edge: "#00000c",
} as const;

const COLORS = PICTURE_COLORS;
const SIGNS: Readonly<Record<Change, string>> = { new: "+", changed: "~", dropped: "−" };

/** The diagram in the language of Graphviz, which lays it out. */
export function renderDot({ tables, relationships }: Diagram): string {
  const nodes = new Map(tables.map((table, index) => [table.name, { table, id: `t${index}` }]));
  const idOf = (name: string) => nodes.get(name)?.id ?? "";
  const rowOf = (name: string, column: string | undefined) =>
    nodes.get(name)?.table.columns.findIndex((one) => one.name === column) ?? 0;
  return [
    "digraph schema {",
    'graph [rankdir=LR, bgcolor="transparent", nodesep=0.3, ranksep=0.6, pad=0.1]',
    'node [shape=plain, fontname="Courier", fontsize=9.75]',
    `edge [color="${COLORS.edge}", dir=both, arrowsize=0.6]`,
    ...[...nodes.values()].map(({ id, table }) => `${id} [label=<${label(table)}>]`),
    ...relationships.map((relationship) => {
      const { source, target, columns, targetColumns } = relationship;
      const from = `${idOf(target)}:right${rowOf(target, targetColumns[0])}:e`;
      const row = rowOf(source, columns[0]);
      const to = source === target ? `right${row}:e` : `left${row}:w`;
      return `${from} -> ${idOf(source)}:${to} [${ends(relationship)}]`;
    }),
    "}",
  ].join("\n");
}

/** A crow's foot for many, a bar for one, a circle for none; a dashed line for what is dropped. */
function ends({ optional, unique, change }: Relationship): string {
  const color = change === undefined ? "" : `, color="${COLORS[`${change}-ink`]}"`;
  const style = change === "dropped" ? ", style=dashed" : "";
  return `arrowtail=${optional ? "teeodot" : "teetee"}, arrowhead=${unique ? "teeodot" : "crowodot"}${color}${style}`;
}

function label({ name, change, columns }: DiagramTable): string {
  const colors = colorsOf(change);
  const mark = change === undefined ? "" : `  ${font(colors.ink, change)}`;
  const head = `<TR><TD COLSPAN="3" ALIGN="LEFT" BGCOLOR="${colors.head}" CELLPADDING="7">${font(colors.ink, `<B>${escapeText(name)}</B>`)}${mark}</TD></TR>`;
  const rows = columns.map(row);
  return `<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" COLOR="${COLORS.line}" BGCOLOR="${COLORS.panel}">${[head, ...rows].join("")}</TABLE>`;
}

function row(column: DiagramColumn, index: number): string {
  const { name, type, primary, foreign, nullable, change } = column;
  const { ink } = change === undefined ? { ink: COLORS.ink } : colorsOf(change);
  const sign = change === undefined ? "" : `${SIGNS[change]} `;
  const keys = [...(primary ? ["PK"] : []), ...(foreign ? ["FK"] : [])].join(" ");
  const cell = (color: string, text: string, port = "") =>
    `<TD ALIGN="LEFT"${port}>${text === "" ? " " : font(color, escapeText(text))}</TD>`;
  return `<TR>${cell(ink, sign + name, ` PORT="left${index}"`)}${cell(COLORS.muted, type + (nullable ? "?" : ""))}${cell(COLORS.muted, keys, ` PORT="right${index}"`)}</TR>`;
}

function colorsOf(change: Change | undefined): { readonly head: string; readonly ink: string } {
  if (change === undefined) return { head: COLORS.head, ink: COLORS.ink };
  return { head: COLORS[change], ink: COLORS[`${change}-ink`] };
}

function font(color: string, content: string): string {
  return `<FONT COLOR="${color}">${content}</FONT>`;
}

function escapeText(text: string): string {
  return text.replace(/[&<>"'\p{Cc}]/gu, (character) => `&#${character.codePointAt(0)};`);
}
