import type { Stamp, Stamps } from "./stamps.ts";

/** What is known of a migration without loading it. */
export interface Facts {
  readonly digest: string;
  readonly shorthands: boolean;
  /** Whether it, or a local file it imports, may ask where it is, and so read files beside it. */
  readonly refersToItself: boolean;
}

/** What a file looked like when it was read. */
export interface FileStamp extends Stamp {
  /** Absolute, or the file's name in the folder. */
  readonly path: string;
}

/** Facts, and the stamps of all the files they were read from: they hold as long as no stamp differs. */
export interface KnownFacts extends Facts {
  readonly stamps: readonly FileStamp[];
}

/** Facts by column; of the stamps, those up to a migration's end and from the end before it are its own. */
export interface FactsColumns {
  readonly keys: string[];
  readonly digests: string[];
  readonly shorthands: boolean[];
  readonly refersToItself: boolean[];
  readonly ends: number[];
  readonly paths: string[];
  readonly mtimes: number[];
  readonly ctimes: number[];
  readonly sizes: number[];
}

/**
 * Facts of many migrations, by key. In columns, since a run with nothing to do reads all of them: a thousand objects,
 * each with its stamps, take four times as long to parse.
 */
export class FactsTable {
  readonly #columns: FactsColumns;
  /** Made when it is needed: keys are mostly asked for in the order in which they are kept. */
  #rows: Map<string, number> | undefined;
  /** The row after the one that was found last. */
  #next = 0;

  constructor(columns: FactsColumns = noColumns()) {
    this.#columns = columns;
  }

  /** Undefined where nothing is known, or a file has changed since. */
  find(key: string, now: Stamps): Facts | undefined {
    const row = this.#rowOf(key);
    if (row === undefined || !this.#holds(row, now)) return undefined;
    this.#next = row + 1;
    return this.#facts(row);
  }

  #rowOf(key: string): number | undefined {
    if (this.#rows === undefined && this.#columns.keys[this.#next] === key) return this.#next;
    return this.#index().get(key);
  }

  #index(): Map<string, number> {
    this.#rows ??= new Map(this.#columns.keys.map((key, row) => [key, row]));
    return this.#rows;
  }

  /** A key that is added again leaves its old row behind. */
  add(key: string, facts: KnownFacts): void {
    const columns = this.#columns;
    this.#index().set(key, columns.keys.length);
    columns.keys.push(key);
    columns.digests.push(facts.digest);
    columns.shorthands.push(facts.shorthands);
    columns.refersToItself.push(facts.refersToItself);
    for (const { path, mtimeMs, ctimeMs, size } of facts.stamps) {
      columns.paths.push(path);
      columns.mtimes.push(mtimeMs);
      columns.ctimes.push(ctimeMs);
      columns.sizes.push(size);
    }
    columns.ends.push(columns.paths.length);
  }

  /** Without the rows that were left behind, and in the order in which a folder is mostly read. */
  columns(): FactsColumns {
    const live = new FactsTable();
    for (const [key, row] of [...this.#index()].sort(([a], [b]) => (a < b ? -1 : 1)))
      live.add(key, { ...this.#facts(row), stamps: this.#stamps(row) });
    return live.#columns;
  }

  #facts(row: number): Facts {
    const { digests, shorthands, refersToItself } = this.#columns;
    return {
      digest: digests[row] ?? "",
      shorthands: shorthands[row] ?? true,
      refersToItself: refersToItself[row] ?? true,
    };
  }

  #holds(row: number, now: Stamps): boolean {
    const { ends, paths, mtimes, ctimes, sizes } = this.#columns;
    const end = ends[row] ?? 0;
    for (let at = ends[row - 1] ?? 0; at < end; at += 1) {
      const stamp = now.of(paths[at] ?? "");
      if (stamp === undefined || stamp.mtimeMs !== mtimes[at]) return false;
      if (stamp.ctimeMs !== ctimes[at] || stamp.size !== sizes[at]) return false;
    }
    return true;
  }

  #stamps(row: number): FileStamp[] {
    const { ends, paths, mtimes, ctimes, sizes } = this.#columns;
    const start = ends[row - 1] ?? 0;
    return paths.slice(start, ends[row]).map((path, i) => ({
      path,
      mtimeMs: mtimes[start + i] ?? 0,
      ctimeMs: ctimes[start + i] ?? 0,
      size: sizes[start + i] ?? 0,
    }));
  }
}

function noColumns(): FactsColumns {
  return {
    keys: [],
    digests: [],
    shorthands: [],
    refersToItself: [],
    ends: [],
    paths: [],
    mtimes: [],
    ctimes: [],
    sizes: [],
  };
}
