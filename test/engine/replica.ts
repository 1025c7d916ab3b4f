import type { Socket } from "node:net";
import pg from "pg";
import type { TestDatabase } from "../support/database.ts";

export interface SlowReplica {
  close(): Promise<void>;
}

/**
 * A client of the replication protocol that says only after `lagMs` that it has replayed what it received: the server
 * shows it as a replica that is so far behind.
 */
export async function startSlowReplica({ connection }: TestDatabase, lagMs: number): Promise<SlowReplica> {
  const { host, port, user, password, database } = connection;
  const settings = { host, port, user, password, database, ssl: false, replication: "database" };
  const client = new pg.Client(settings);
  client.on("error", () => undefined);
  await client.connect();
  const { rows } = await client.query<{ xlogpos: string }>("IDENTIFY_SYSTEM");
  const timers = new Set<NodeJS.Timeout>();
  const { stream } = client.connection;
  client.connection.on("copyData", ({ chunk }: { readonly chunk: Buffer }) => {
    // `w`: WAL up to a place; `k`: the server is alive.
    const end = chunk[0] === 0x77 ? chunk.readBigUInt64BE(1) + BigInt(chunk.length - 25) : undefined;
    if (end !== undefined) timers.add(setTimeout(() => reply(stream, end), lagMs));
  });
  client.query(`START_REPLICATION PHYSICAL ${rows[0]?.xlogpos ?? "0/0"}`).catch(() => undefined);
  return {
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      stream.destroy();
    },
  };
}

/** The message "Standby status update": written, flushed and applied up to a place. */
function reply(stream: Pick<Socket, "write">, end: bigint): void {
  const message = Buffer.alloc(39);
  message.write("d");
  message.writeInt32BE(38, 1);
  message.write("r", 5);
  for (const at of [6, 14, 22]) message.writeBigUInt64BE(end, at);
  stream.write(message);
}
