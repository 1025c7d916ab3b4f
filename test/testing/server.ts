import pg from "pg";
import { testServer } from "../support/postgres.ts";

/** The URL of the server of this run, for any database of it. */
export async function serverUrl(database = "postgres"): Promise<string> {
  const { host, port, user, password } = await testServer();
  return `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
}

/** Rows of a query in a database that is given by its URL. */
export async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Names of the databases of a server that begin so. */
export async function databasesOf(url: string, prefix: string): Promise<unknown[]> {
  const sql = `SELECT datname FROM pg_database WHERE starts_with(datname, '${prefix}') ORDER BY 1`;
  return (await ask(url, sql)).map(({ datname }) => datname);
}

/** Names of the databases of the server of this run that begin so. */
export async function databases(prefix: string): Promise<unknown[]> {
  return databasesOf(await serverUrl(), prefix);
}
