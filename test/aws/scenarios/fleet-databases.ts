import { randomBytes } from "node:crypto";
import { expect, test } from "@jest/globals";
import pg from "pg";
import { type AwsEnvironment, type Scenarios, secretText } from "../environment.ts";
import { summaryOf, withFleet } from "../fleets.ts";
import { tables } from "../migrations.ts";
import { LISTS_BUCKET } from "../synth/fleet.ts";

const KEY = "databases.json";
const OTHER_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf";

/** Names of the migrations that each of these databases has. */
async function appliedIn({ server }: AwsEnvironment, names: readonly string[]): Promise<string[]> {
  const { host, port, user, password } = server.connection;
  const applied = names.map(async (database) => {
    const client = new pg.Client({ host, port, user, password, database, ssl: { ca: server.ca } });
    await client.connect();
    const { rows } = await client.query("SELECT string_agg(name, ' ' ORDER BY id) AS all FROM pgmigrations");
    await client.end();
    return String(rows[0]?.all);
  });
  return Promise.all(applied);
}

export const fleetDatabases: Scenarios = (aws) => {
  test("50 databases on two servers, some with a secret of their own, are migrated server by server", async () => {
    const { secrets, services } = aws();
    const names = Array.from({ length: 50 }, (_, index) => `fleet_${index + 1}`);
    const options = { targetsKey: KEY, canary: "10 %", maxConcurrency: 4, maxConcurrencyPerServer: 2 };
    const setUp = { names: [], options, migrations: tables(1, 2) };
    await withFleet(aws(), setUp, async ({ db, run }) => {
      const other = {
        name: `other_${randomBytes(6).toString("hex")}`,
        password: secrets.make("Pa's:w@o$rd "),
      };
      services.secrets.put(OTHER_SECRET, () => ({
        kind: "text",
        text: secretText(other.name, other.password),
      }));
      await db.query(`CREATE ROLE ${other.name} LOGIN PASSWORD ${pg.escapeLiteral(other.password)}`);
      const entries = names.map((database, index) =>
        index < 25 ? { database } : { database, host: "localhost", secret: OTHER_SECRET },
      );
      try {
        for (const { database, secret } of entries) {
          const owner = secret === undefined ? db.owner : other.name;
          await db.query(`CREATE DATABASE ${database} OWNER ${owner}`);
        }
        services.s3.put(LISTS_BUCKET, KEY, JSON.stringify(entries));
        const done = await run({ command: "up" });
        expect(summaryOf(done)).toMatchObject({
          ok: true,
          counts: { done: 50, failed: 0, untouched: 0 },
          versions: [{ head: "2_t2", count: 50, behind: 0 }],
        });
        expect(new Set(await appliedIn(aws(), names))).toEqual(new Set(["1_t1 2_t2"]));
        services.s3.put(LISTS_BUCKET, KEY, JSON.stringify([{ database: "fleet_1", host: "localhost" }]));
        expect(await run({ command: "up" })).toMatchObject({
          status: "FAILED",
          error: "TARGETS",
          cause: expect.stringContaining("without a secret of its own"),
        });
      } finally {
        for (const name of names) await db.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
    });
  });
};
