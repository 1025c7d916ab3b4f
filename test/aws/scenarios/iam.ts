import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import { ENV } from "../../../lambda/contract.ts";
import type { AwsEnvironment, Deployment, Scenarios } from "../environment.ts";
import { tables } from "../migrations.ts";
import { appliedIn } from "../state.ts";
import { startTokenServer, type TokenServer } from "../token-server.ts";

const STATUS = "on-status.handler";

interface Play extends Deployment {
  readonly front: TokenServer;
  /** Milliseconds since the epoch at which a token was refused. */
  readonly refusals: number[];
}

/** A stack whose database wants tokens. @param refused how many of them the database refuses */
async function withTokens(
  { withStack, server }: AwsEnvironment,
  refused: number,
  play: (deployment: Play) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-iam-"));
  const accepting: { current?: (token: string) => Promise<void> } = {};
  const front = await startTokenServer(server, async (token) => accepting.current?.(token));
  const caFile = join(directory, "ca.pem");
  writeFileSync(caFile, front.ca);
  const { host, port } = front;
  const refusals: number[] = [];
  try {
    await withStack({ host, port, environment: { [ENV.caFile]: caFile } }, async (deployment) => {
      const { db } = deployment;
      accepting.current = async (token) => {
        if (refusals.length < refused) return void refusals.push(Date.now());
        const literal = pg.escapeLiteral(token);
        await db.query(
          `ALTER ROLE ${db.owner} PASSWORD ${literal}; ALTER ROLE ${db.owner} SET test.token = ${literal}`,
        );
      };
      await play({ ...deployment, front, refusals });
    });
  } finally {
    await front.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

export const iam: Scenarios = (aws) =>
  describe("IAM authentication", () => {
    test("IAM authentication deploys with a token for this host, port and user, and asks Secrets Manager for nothing", async () => {
      const { deployable, services } = aws();
      await withTokens(aws(), 0, async ({ stack, db, front, secretArn }) => {
        const version = await deployable(tables(1), { iamUser: db.owner });
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        // A token names the second in which it was signed: two in the same second are equal.
        await setTimeout(1_000);
        expect(await stack.invoke(STATUS, { command: "status" })).toMatchObject({ failed: false });
        expect(services.secrets.calls(secretArn)).toBe(0);
        for (const token of front.tokens) {
          const { host, searchParams } = new URL(`https://${token}`);
          expect(host).toBe(`${front.host}:${front.port}`);
          expect(Object.fromEntries(searchParams)).toMatchObject({
            Action: "connect",
            DBUser: db.owner,
            "X-Amz-Credential": expect.stringMatching(
              /^AKIAIOSFODNN7EXAMPLE\/\d{8}\/eu-west-1\/rds-db\/aws4_request$/,
            ),
            "X-Amz-Expires": "900",
            "X-Amz-Signature": expect.stringMatching(/^[0-9a-f]{64}$/),
          });
        }
        // Each invocation signs a token of its own.
        expect(new Set(front.tokens).size).toBeGreaterThan(1);
      });
    });

    test("IAM authentication writes no token anywhere, also when a migration prints the one of its own session", async () => {
      const { deployable, services } = aws();
      await withTokens(aws(), 0, async ({ stack, db, front }) => {
        const before = services.recorder.emissions.length;
        const print = "DO $$ BEGIN RAISE NOTICE 'signed: %', current_setting('test.token'); END $$;";
        const printing = { "1_print.sql": `-- Up Migration\n${print}\n-- Down Migration\n` };
        expect(await stack.create(await deployable(printing, { iamUser: db.owner }))).toMatchObject({
          status: "SUCCESS",
        });
        const written = services.recorder.since(before).map(({ text }) => text);
        expect(written).toContainEqual(expect.stringContaining("signed: ********"));
        for (const token of front.tokens) {
          const signature = new URL(`https://${token}`).searchParams.get("X-Amz-Signature") ?? token;
          expect(written.join("\n")).not.toContain(signature);
        }
      });
    });

    test("IAM authentication tries a second token when the permission to connect is too new", async () => {
      const { deployable } = aws();
      await withTokens(aws(), 1, async ({ stack, db, front, refusals }) => {
        const version = await deployable(tables(1), { iamUser: db.owner });
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS" });
        expect(refusals).toHaveLength(1);
        expect(front.tokens.length).toBeGreaterThan(1);
      });
    }, 60_000);

    test("a login that IAM authentication refuses twice fails the deploy, which says what the user and the role need", async () => {
      const { deployable } = aws();
      await withTokens(aws(), 100, async ({ stack, db, front }) => {
        const created = await stack.create(await deployable(tables(1), { iamUser: db.owner }));
        expect(created).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^AUTH: /) });
        expect(created.reason).toMatch(/rds_iam.*rds-db:connect/s);
        expect(front.tokens).toHaveLength(2);
      });
    }, 60_000);
  });
