interface Limit {
  /** How large the page may be. */
  readonly limit: number;
  readonly sizeOf: (text: string) => number;
  /** Markdown that ends the sentence "1234 lines …" in place of what does not fit. */
  readonly note: string;
}

/**
 * Makes a page of Markdown fit by leaving out its longest blocks (SQL, a diagram, a list), each with a note in its place.
 * Headings and short blocks stay.
 */
export function shorten(page: string, { limit, sizeOf, note }: Limit): string {
  let size = sizeOf(page);
  if (size <= limit) return page;
  const blocks = splitBlocks(page);
  const longestFirst = [...blocks.entries()].toSorted(([, a], [, b]) => b.length - a.length);
  for (const [index, block] of longestFirst) {
    if (size <= limit) return blocks.join("\n\n");
    const mark = leftOut(block, note);
    blocks[index] = mark;
    size -= sizeOf(block) - sizeOf(mark);
  }
  return size <= limit ? blocks.join("\n\n") : leftOut(page, note);
}

function leftOut(text: string, note: string): string {
  const lines = text.trimEnd().split("\n").length;
  return `> ✂ ${lines} ${lines === 1 ? "line" : "lines"} ${note}`;
}

/** The blocks of a page. Code and what is folded stay whole, whatever they contain. */
function splitBlocks(page: string): string[] {
  const blocks: string[] = [];
  let block: string[] = [];
  let fence: string | undefined;
  let depth = 0;
  for (const line of page.trimEnd().split("\n")) {
    const [mark] = /^`{3,}/.exec(line) ?? [];
    if (fence === undefined) {
      fence = mark;
      if (line.startsWith("<details>")) depth += 1;
      if (line.startsWith("</details>")) depth -= 1;
    } else if (line === fence) {
      fence = undefined;
    }
    const isBetween = line === "" && fence === undefined && depth === 0;
    if (!isBetween) block.push(line);
    else if (block.length > 0) {
      blocks.push(block.join("\n"));
      block = [];
    }
  }
  return block.length > 0 ? [...blocks, block.join("\n")] : blocks;
}
