import type { TestDatabase } from "../support/database.ts";

/** A table that is filled in six batches. `fills` counts how often `b` of a row was written. */
export const BACKFILL = {
  "1_work.sql": `
    CREATE TABLE work (id bigint PRIMARY KEY, a int NOT NULL, b int, fills int NOT NULL DEFAULT 0, touched int NOT NULL DEFAULT 0);
    CREATE FUNCTION count_fill() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN NEW.fills := OLD.fills + 1; RETURN NEW; END';
    CREATE TRIGGER count_fill BEFORE UPDATE OF b ON work FOR EACH ROW EXECUTE FUNCTION count_fill();
    INSERT INTO work (id, a) SELECT n * 4, n FROM generate_series(1, 240) n;`,
  "2_fill.sql": `-- migrate: backfill
-- key: id
-- batch: 40
UPDATE work SET b = a * 2 WHERE b IS NULL AND :batch;
`,
};

/** Rows that are not filled, wrongly filled, or filled more often than once. Writers fill their own rows themselves. */
export function wrongRows(db: TestDatabase): Promise<unknown[]> {
  return db.query(
    "SELECT id, a, b, fills FROM work WHERE b IS DISTINCT FROM a * 2 OR fills <> CASE WHEN id > 1000 THEN 0 ELSE 1 END",
  );
}

export interface Writer {
  /** Waits for its last statement. @returns the number of its writes */
  stop(): Promise<number>;
}

/** An application: it changes rows, and inserts new ones behind them that are right from the start. */
export async function startWriter(db: TestDatabase): Promise<Writer> {
  const client = await db.client();
  let running = true;
  const work = async () => {
    let writes = 0;
    for (; running; writes += 1) {
      await client.query("UPDATE work SET touched = touched + 1 WHERE id = $1", [
        4 * (1 + ((writes * 7) % 240)),
      ]);
      const id = 1001 + (writes % 200);
      await client.query("INSERT INTO work (id, a, b) VALUES ($1, 3, 6) ON CONFLICT (id) DO NOTHING", [id]);
    }
    return writes;
  };
  const done = work();
  return {
    stop: async () => {
      running = false;
      const writes = await done;
      await client.end();
      return writes;
    },
  };
}
