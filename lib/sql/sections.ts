import { basename } from "node:path";
import {
  CONTRACT_FORMS,
  type Direction,
  given,
  MigrationError,
  readContractComment,
  type SqlFile,
} from "../core/index.ts";
import { isMark, scan } from "./lexer.ts";
import { meaningOf, type Note } from "./markers.ts";
import { isEmptySql } from "./split.ts";

/** The two directions of one SQL file. */
export interface Sections {
  readonly up: Section;
  /** Absent when the file has no down section. */
  readonly down?: Section;
}

export interface Section {
  /** Without its marker. */
  readonly text: string;
  readonly transactional: boolean;
  /** Present for a backfill. */
  readonly backfill?: SectionSettings;
  /** Positions of its statements in the file, in UTF-16 code units. */
  readonly ranges: readonly Range[];
}

/** The lines `-- name: value` below `-- migrate: backfill`, by name in lower case. */
export type SectionSettings = ReadonlyMap<string, string>;

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** First line of SQL that runs outside a transaction. */
export const NO_TRANSACTION = "-- migrate: no-transaction";

/** Whether stored SQL declares in its first line that it runs outside a transaction. */
export function asksForNoTransaction(sql: string): boolean {
  const [firstLine = ""] = sql.split(/\r?\n/, 1);
  return /^\uFEFF?--\s*migrate:\s*no-transaction\s*$/i.test(firstLine);
}

/**
 * Splits a SQL file at its markers. Everything outside the down section belongs to up, also statements before the first
 * marker. (node-pg-migrate ignores those, and without an up marker it runs the down section as a part of up.)
 * @throws MigrationError `MIGRATION` for a comment that looks like a marker and is none: a statement would be lost, or
 * run in the wrong direction
 */
export function readSections(file: SqlFile): Sections {
  const { markers, outside, backfill } = readMarkers(file);
  const down = markers.find(({ meaning }) => meaning === "down");
  const up = markers.find(({ meaning }) => meaning === "up");
  const section = (text: string, direction: Direction, ranges: readonly Range[]): Section => ({
    text: text.trim(),
    transactional: !outside.has("file") && !outside.has(direction),
    ...(direction === "up" ? given({ backfill }) : {}),
    ranges,
  });
  const { text } = file;
  const whole = { start: 0, end: text.length };
  if (down === undefined) return { up: section(withoutMarker(text, 0, text.length, up), "up", [whole]) };
  const end = up !== undefined && up.start > down.start ? up.start : text.length;
  const before = withoutMarker(text, 0, down.start, up);
  const after = withoutMarker(text, end, text.length, up);
  return {
    up: section(joined(before, after), "up", [
      { start: 0, end: down.start },
      { start: end, end: text.length },
    ]),
    down: section(text.slice(down.end, end), "down", [{ start: down.end, end }]),
  };
}

/**
 * Reads one file of a pair, whose name tells its direction.
 * @throws MigrationError `MIGRATION` as `readSections`, and for a section of the other direction
 */
export function readHalf(file: SqlFile, direction: Direction): Section {
  const { markers, outside, backfill } = readMarkers(file);
  if (direction === "down" && backfill !== undefined) throw backfillOfDown(file, 0);
  const other = markers.find(({ meaning }) => meaning !== direction);
  if (other !== undefined) {
    const message = `has a section "${other.meaning}" and is the ${direction} file of a pair`;
    throw refusal(file, other.start, message, "Move that section to the other file of the pair.");
  }
  const ranges = [{ start: 0, end: file.text.length }];
  return { text: file.text.trim(), transactional: outside.size === 0, ...given({ backfill }), ranges };
}

function withoutMarker(text: string, from: number, to: number, marker: Marker | undefined): string {
  if (marker === undefined || marker.start < from || marker.start >= to) return text.slice(from, to);
  return joined(text.slice(from, marker.start), text.slice(marker.end, to));
}

/** A section ends its last statement, if it has one. */
function joined(before: string, after: string): string {
  const [first, second] = [before.trimEnd(), after.trimStart()];
  if (first === "" || second === "") return first === "" ? after : before;
  const isEnded = first.endsWith(";") || isEmptySql([first]);
  return `${first}${isEnded ? "" : "\n;"}\n${second}`;
}

interface Marker {
  readonly meaning: Direction;
  readonly start: number;
  readonly end: number;
}

interface Markers {
  readonly markers: readonly Marker[];
  /** What runs outside a transaction: the file, or one direction. */
  readonly outside: ReadonlySet<Direction | "file">;
  /** Present when the file is a backfill. */
  readonly backfill: SectionSettings | undefined;
}

/** Words that markers contain. A file without any of them is not split into tokens. */
const MARKER_WORDS =
  /migrat|contract|goose|rollback|revert|undo|trans|liquibase|changeset|rambler|drop below|flyway|atlas|down|ups/i;

function readMarkers(file: SqlFile): Markers {
  const reader = new MarkerReader(file);
  if (!MARKER_WORDS.test(file.text)) return reader;
  scan(file.text, (token) => {
    if (token.kind === "comment") reader.comment(token.start, token.end);
    else if (!isMark(file.text, token, ";")) reader.statement();
  });
  reader.end();
  return reader;
}

/** Reads the comments of a file in order, and tracks the section that they are in. */
class MarkerReader implements Markers {
  readonly markers: Marker[] = [];
  readonly outside = new Set<Direction | "file">();
  backfill: Map<string, string> | undefined;
  readonly #file: SqlFile;
  #section: Direction | "file" = "file";
  /** Whether a statement was read in the section, and in the file. */
  #hasStatement = false;
  #anyStatement = false;
  /** A comment that begins like the down marker. It counts as the marker if no statement follows. */
  #doubtful: Marker | undefined;
  /** The error to throw if a statement of `up` follows. */
  #refusal: MigrationError | undefined;
  /** Where the last line of the header of a backfill ends. */
  #headerEnd: number | undefined;

  constructor(file: SqlFile) {
    this.#file = file;
  }

  statement(): void {
    this.#hasStatement = true;
    this.#anyStatement = true;
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#doubtful !== undefined) throw this.#looksLikeMarker(this.#doubtful.start);
  }

  end(): void {
    if (this.#doubtful !== undefined) this.markers.push(this.#doubtful);
  }

  comment(start: number, end: number): void {
    const note = noteAt(this.#file.text, start, end);
    const meaning = meaningOf(note);
    if (meaning === undefined) {
      this.#setting(note, start, end);
      return;
    }
    if (meaning.kind === "refused") throw refusal(this.#file, start, meaning.message, meaning.hint);
    if (meaning.kind === "misspelled") {
      if (this.#section !== "down")
        this.#refusal ??= refusal(this.#file, start, meaning.message, meaning.hint);
      return;
    }
    if (!note.alone) {
      const message = `has "${note.text.trim()}" behind something else, where it is only a comment`;
      throw refusal(this.#file, start, message, "Put it on a line of its own.");
    }
    if (meaning.kind === "no-transaction") this.#noTransaction(start);
    else if (meaning.kind === "backfill") this.#backfill(start, end);
    else if (meaning.kind === "baseline") this.#baseline(start);
    else if (meaning.kind === "contract") this.#contract(start);
    else if (meaning.kind === "marker") this.#marker(meaning.direction, start, end);
    else this.#similar(meaning.direction, start, end);
  }

  #marker(direction: Direction, start: number, end: number): void {
    const first = this.markers.find(({ meaning }) => meaning === direction);
    if (first !== undefined || this.#doubtful !== undefined) {
      const line = lineOf(this.#file.text, (first ?? this.#doubtful)?.start ?? 0);
      const message = `has a second marker of the section "${direction}"; the first is in line ${line}`;
      throw refusal(this.#file, start, message, "A file has each of its two sections once: join them.");
    }
    this.markers.push({ meaning: direction, start, end });
    this.#section = direction;
    this.#refusal = undefined;
    this.#hasStatement = false;
  }

  /** A comment that begins like a marker, which plain node-pg-migrate takes for one. Refused if that makes a difference. */
  #similar(direction: Direction, start: number, end: number): void {
    if (this.#section === direction) return;
    if (direction === "up" && this.#section === "file" && !this.#anyStatement) return;
    if (direction === "up") throw this.#looksLikeMarker(start);
    this.#doubtful ??= { meaning: "down", start, end };
  }

  #noTransaction(start: number): void {
    if (this.#hasStatement) {
      const message = `has "${NO_TRANSACTION}" below a statement`;
      const hint = "Put it above the first statement: of the file, or of the section that it is about.";
      throw refusal(this.#file, start, message, hint);
    }
    this.outside.add(this.#section);
  }

  #backfill(start: number, end: number): void {
    const text = "-- migrate: backfill";
    if (this.#section === "down") throw backfillOfDown(this.#file, start);
    if (this.#anyStatement)
      throw refusal(
        this.#file,
        start,
        `has "${text}" below a statement`,
        "Make it the first line of the file.",
      );
    if (this.backfill !== undefined)
      throw refusal(this.#file, start, `has "${text}" twice`, "A file is one backfill.");
    this.backfill = new Map();
    this.outside.add("up");
    this.#headerEnd = end;
  }

  /** Reads a comment directly below `-- migrate: backfill` as one of its settings. */
  #setting(note: Note, start: number, end: number): void {
    const isNext =
      this.#headerEnd !== undefined &&
      /^[ \t]*\r?\n[ \t]*$/.test(this.#file.text.slice(this.#headerEnd, start));
    if (this.backfill === undefined || !isNext || !note.alone) return;
    this.#headerEnd = end;
    const [, name, value = ""] = /^--+\s*([a-z][a-z-]*)\s*:\s*(.*?)\s*$/i.exec(note.text) ?? [];
    if (name === undefined || name.toLowerCase() === "irreversible") return;
    if (this.backfill.has(name.toLowerCase()))
      throw refusal(
        this.#file,
        start,
        `has a second line "${name}" for its backfill`,
        "Take one of them out.",
      );
    this.backfill.set(name.toLowerCase(), value);
  }

  /** Only a list above all statements is read. */
  #baseline(start: number): void {
    if (!this.#anyStatement) return;
    const hint = "Put the list of what the baseline replaces above the first statement, as squash wrote it.";
    throw refusal(this.#file, start, "has a line of the header of a baseline below a statement", hint);
  }

  /** What declares a contract is read without a lexer: whatever that does not find here has no effect. */
  #contract(start: number): void {
    const declaration = readContractComment(this.#file.text);
    if (declaration !== undefined && "after" in declaration) return;
    const message = "has the declaration of a contract where it has no effect";
    throw refusal(this.#file, start, message, `Write ${CONTRACT_FORMS}.`);
  }

  #looksLikeMarker(start: number): MigrationError {
    const message = "has a comment that begins as the marker of a section does, and says more";
    const hint =
      'Write the marker alone on its line ("-- Up Migration", "-- Down Migration"), or the comment in other words.';
    return refusal(this.#file, start, message, hint);
  }
}

function backfillOfDown(file: SqlFile, offset: number): MigrationError {
  const hint = "What undoes it is SQL as in any file; a large change back is a backfill in a new migration.";
  return refusal(file, offset, "has a backfill in the section that undoes", hint);
}

function noteAt(text: string, start: number, end: number): Note {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  return { text: text.slice(start, end), alone: text.slice(lineStart, start).trim() === "" };
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|\r|\n/).length;
}

function refusal({ path, text }: SqlFile, offset: number, message: string, hint: string): MigrationError {
  const file = basename(path);
  return new MigrationError("MIGRATION", `${file}:${lineOf(text, offset)} ${message}`, {
    migration: file.replace(/(?:\.(?:up|down))?\.sql$/i, ""),
    hint,
  });
}
