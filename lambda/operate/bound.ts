/**
 * Lambda takes answers of six megabytes of JSON, and gives none at all where one is longer. Some room is left for what
 * Lambda adds, and for characters that it writes in more bytes than we do.
 */
const ANSWER_BYTES = 5_500_000;

/** Of one text: as long as anybody reads on a terminal. */
const TEXT_BYTES = 64 * 1024;

type Json = Readonly<Record<string, unknown>>;

/**
 * The answer, shortened when Lambda would not take it: first its long texts, the SQL of a plan above all, then its long
 * lists. `truncated` says so.
 */
export function withinBound(answer: Json, limit = ANSWER_BYTES): Json {
  if (sizeOf(answer) <= limit) return answer;
  const note = (what: string) => ({ truncated: `the answer was longer than Lambda takes: ${what}` });
  for (let bytes = TEXT_BYTES; bytes >= 1_024; bytes /= 4) {
    const shorter = { ...shorten(answer, bytes, Number.POSITIVE_INFINITY), ...note("long texts are cut") };
    if (sizeOf(shorter) <= limit) return shorter;
  }
  for (let items = 4_096; items >= 16; items /= 4) {
    const shorter = { ...shorten(answer, 1_024, items), ...note("long texts and lists are cut") };
    if (sizeOf(shorter) <= limit) return shorter;
  }
  return {
    ok: answer["ok"],
    command: answer["command"],
    ...note("nothing of it is left; ask for less of it"),
  };
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function shorten(value: Json, bytes: number, items: number): Json {
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key, shortenAny(held, bytes, items)]),
  );
}

function shortenAny(value: unknown, bytes: number, items: number): unknown {
  if (typeof value === "string") return cutEnd(value, bytes);
  if (Array.isArray(value)) return value.slice(0, items).map((held) => shortenAny(held, bytes, items));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key, shortenAny(held, bytes, items)]),
  );
}

/** A statement is known by its beginning. */
function cutEnd(text: string, bytes: number): string {
  const length = Buffer.byteLength(text);
  if (length <= bytes) return text;
  const front = new TextDecoder().decode(Buffer.from(text).subarray(0, bytes)).replace(/\ufffd+$/, "");
  return `${front} … (${length - bytes} bytes more)`;
}
