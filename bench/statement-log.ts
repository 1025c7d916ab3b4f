import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import * as v from "valibot";

const WAIT_MS = 60_000;
const SENT = /^(statement|execute [^:]+): /;

const Entry = v.object({
  message: v.optional(v.string(), ""),
  dbname: v.optional(v.string()),
  application_name: v.optional(v.string()),
});

/** Reads what comes to the server's JSON log from now on. `file` is on this machine. */
export async function openStatementLog(admin: pg.Client, file: string) {
  const log = await open(file);
  const { size: from } = await log.stat();
  return {
    /** The texts that sessions of the database have sent since, those of `except` (an application name) left out. */
    async read(database: string, except: string): Promise<readonly string[]> {
      const mark = `end of log ${randomUUID()}`;
      await admin.query(`DO $$ BEGIN RAISE LOG '${mark}'; END $$`);
      const entries = parse(await textUntil(`"message":"${mark}"`));
      await log.close();
      return entries
        .filter(({ dbname, application_name }) => dbname === database && application_name !== except)
        .flatMap(({ message }) => (SENT.test(message) ? [message.replace(SENT, "")] : []));
    },
  };

  /** Another process writes the log: the mark may come later than its answer. */
  async function textUntil(mark: string): Promise<string> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const { size } = await log.stat();
      const { buffer } = await log.read(Buffer.alloc(size - from), 0, size - from, from);
      const text = buffer.toString("utf8");
      if (text.includes(mark)) return text;
      if (Date.now() > deadline) throw new Error("the server's log did not show up");
      await sleep(50);
    }
  }
}

/** The last line may be half-written. */
function parse(text: string): readonly v.InferOutput<typeof Entry>[] {
  const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
  return lines.flatMap((line) => (line === "" ? [] : [v.parse(Entry, JSON.parse(line))]));
}
