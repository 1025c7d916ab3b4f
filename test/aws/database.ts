import { randomBytes } from "node:crypto";
import pg from "pg";
import type { TlsServer } from "../support/tls.ts";

/** A database whose owner is no superuser, as on RDS. There is one at a time: its name is the template's. */
export interface OwnedDatabase {
  readonly name: string;
  readonly owner: string;
  readonly password: string;
  /** Runs SQL as a superuser. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Another session of the superuser. */
  client(): Promise<pg.Client>;
  setPassword(password: string): Promise<void>;
  close(): Promise<void>;
}

/** @param password of the owner, who is another one each time */
export async function createOwnedDatabase(
  server: TlsServer,
  name: string,
  password: string,
): Promise<OwnedDatabase> {
  const owner = `owner_${randomBytes(6).toString("hex")}`;
  const admin = await connectTo(server, "postgres");
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.query(`CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD ${pg.escapeLiteral(password)}`);
  await admin.query(`CREATE DATABASE ${name} OWNER ${owner}`);
  await admin.end();
  const clients: pg.Client[] = [];
  const client = async () => {
    const opened = await connectTo(server, name);
    clients.push(opened);
    return opened;
  };
  const own = await client();
  return {
    ...{ name, owner, password, client },
    async query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) {
      return (await own.query<Row>(sql, values)).rows;
    },
    async setPassword(next) {
      await own.query(`ALTER ROLE ${owner} PASSWORD ${pg.escapeLiteral(next)}`);
    },
    async close() {
      await Promise.all(clients.map((opened) => opened.end().catch(() => undefined)));
    },
  };
}

async function connectTo({ connection, ca }: TlsServer, database: string): Promise<pg.Client> {
  const { host, port, user, password } = connection;
  const client = new pg.Client({ host, port, database, user, password, ssl: { ca } });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
