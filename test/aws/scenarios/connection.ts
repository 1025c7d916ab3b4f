import { describe, expect, test } from "@jest/globals";
import { METRICS } from "../../../lambda/contract.ts";
import { until } from "../../faults/until.ts";
import { startClosableProxy } from "../closable-proxy.ts";
import type { Deployment, DeploymentOptions, Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn } from "../state.ts";

export const connection: Scenarios = (aws) =>
  describe("the way to the database", () => {
    /** A first deploy that cannot work. @returns what CloudFormation shows */
    const reasonOf = async (
      options: DeploymentOptions,
      prepare: (deployment: Deployment) => void = () => {},
    ): Promise<string> => {
      let shown = "";
      await aws().withStack(options, async (deployment) => {
        prepare(deployment);
        const answer = await deployment.stack.create(await aws().deployable(tables(1)));
        expect(answer.status).toBe("FAILED");
        expect(answer.milliseconds).toBeLessThan((options.timeoutSeconds ?? 60) * 1_000);
        shown = answer.reason;
      });
      return shown;
    };

    test("the server is verified with the construct's certificates, and a change of them takes effect at once", async () => {
      const { withStack, deployable, server } = aws();
      const { host, port } = server.connection;
      const environment = { DATABASE_HOST: host, DATABASE_PORT: String(port) };
      await withStack({ ca: "of the asset", environment }, async ({ stack, db }) => {
        const version = await deployable(tables(1), { ca: server.ca });
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        const other = await stack.update(await deployable(tables(1), { ca: server.otherCa }));
        expect(other).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^TLS_UNTRUSTED/) });
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
      });
    });

    test.each<[string, DeploymentOptions, RegExp]>([
      ["another authority", { ca: "other" }, /^TLS_UNTRUSTED: .*What to do: .*`ca`/s],
      // The same address under a name that the certificate does not have.
      ["another host name", { host: "127.1" }, /^TLS_UNTRUSTED: .*127\.1.*What to do: Use the host name/s],
      ["no file with certificates", { ca: "absent" }, /^TLS_UNTRUSTED: .*absent\.pem/],
      [
        "another database",
        { environment: { DATABASE_NAME: "elsewhere" } },
        /^DATABASE_NOT_FOUND: .*elsewhere/,
      ],
      ["invalid options", { environment: { MIGRATE_OPTIONS: '{"order":"any"}' } }, /^ASSET: .*options/],
    ])("a deploy with %s fails and says what to do", async (_, options, reason) => {
      expect(await reasonOf(options)).toMatch(reason);
    });

    test("a deploy counts its retries because of a locked table as a metric", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const holder = await db.client();
        await holder.query("BEGIN");
        await holder.query("LOCK TABLE t1");
        const before = services.recorder.emissions.length;
        const log = () => services.recorder.since(before).map(({ text }) => text);
        const files = { ...tables(1), "2_more.sql": sql("ALTER TABLE t1 ADD n int;") };
        const updated = stack.update(await deployable(files, { lockTimeoutMs: 300 }));
        await until(() => log().some((line) => line.includes("is tried again")), "a retry");
        await holder.end();
        expect(await updated).toMatchObject({ status: "SUCCESS" });
        const metrics = log().filter((line) => line.startsWith('{"_aws"'));
        const [values]: Record<string, unknown>[] = metrics.map((line) => JSON.parse(line));
        expect(values).toMatchObject({ [METRICS.completed]: 1, [METRICS.pending]: 0 });
        expect(values?.[METRICS.lockRetries]).toBeGreaterThanOrEqual(1);
      });
    });

    test("a deploy whose connection is refused or never answered fails before the function's time is over", async () => {
      const refused = await startClosableProxy("nothing");
      await refused.close();
      expect(await reasonOf({ port: refused.port, timeoutSeconds: 4 })).toMatch(
        /^CONNECTION: .*security groups/s,
      );
      const silent = await startClosableProxy("nothing");
      try {
        const reason = await reasonOf({ port: silent.port, timeoutSeconds: 4 });
        expect(reason).toMatch(/^(CONNECTION|DEADLINE): /);
        expect(reason).toMatch(/Log group/);
        expect(reason).not.toMatch(/Task timed out/);
      } finally {
        await silent.close();
      }
    });
  });
