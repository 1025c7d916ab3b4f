import { afterEach, describe, expect, test } from "@jest/globals";
import { ENV, METRICS } from "../../../lambda/contract.ts";
import type { RdsError } from "../cloud/rds.ts";
import type {
  AwsEnvironment,
  Deployment,
  DeploymentOptions,
  ProjectOptions,
  Scenarios,
} from "../environment.ts";
import { FAILING, sql, tables } from "../migrations.ts";
import { appliedIn } from "../state.ts";

const snapshot: ProjectOptions = { snapshot: true };
const ID = /^proof-[0-9a-f]{16}$/;

function failuresSince({ services }: AwsEnvironment, count: number): unknown[] {
  const lines = services.recorder.since(count).filter(({ text }) => text.startsWith('{"_aws"'));
  return lines.map(({ text }) => JSON.parse(text)[METRICS.failed]);
}

const busy: RdsError = { code: "InvalidDBInstanceState", message: "the instance is backing-up" };
const throttled: RdsError = { code: "Throttling", message: "Rate exceeded" };
const broken: RdsError = { code: "InternalFailure", message: "try again", status: 500 };

/** Five: a client tries three times before it gives up. */
const often = (error: RdsError) => Array.from({ length: 5 }, () => error);

const REFUSALS: readonly (readonly [RdsError, RegExp])[] = [
  [
    { code: "AccessDenied", message: "not authorized to perform rds:CreateDBSnapshot", status: 403 },
    /permissions boundary/,
  ],
  [{ code: "SnapshotQuotaExceeded", message: "100 snapshots" }, /Delete snapshots that nobody needs/],
  [{ code: "KMSKeyNotAccessibleFault", message: "the key is disabled" }, /AWS KMS/],
];

/** A database that holds something, where the migrations do not look. */
function withData(
  { withStack }: AwsEnvironment,
  options: DeploymentOptions,
  play: (deployment: Deployment) => Promise<void>,
): Promise<void> {
  return withStack(options, async (deployment) => {
    await deployment.db.query("CREATE SCHEMA legacy; CREATE TABLE legacy.kept ()");
    await play(deployment);
  });
}

export const snapshots: Scenarios = (aws) =>
  describe("snapshotBeforeMigrate", () => {
    afterEach(() => aws().services.rds.reset());

    test("a snapshot is available before the first pending migration runs, and is the resource's attribute", async () => {
      const { deployable, services } = aws();
      const { rds } = services;
      await withData(aws(), {}, async ({ stack, db }) => {
        const appliedBefore: string[][] = [];
        await stack.create(await deployable(tables(1)));
        rds.onCreate = async () => void appliedBefore.push(await appliedIn(db));
        const updated = await stack.update(await deployable(tables(1, 2), snapshot));
        const [made, ...others] = rds.snapshots;
        expect(others).toEqual([]);
        expect(made).toMatchObject({
          id: expect.stringMatching(ID),
          kind: "instance",
          source: expect.stringMatching(/^proof-DatabaseInstance/),
          tags: {
            "cdk-pg-migrate:resource": expect.stringMatching(/^proof\/Migrations/),
            "cdk-pg-migrate:release": expect.stringMatching(/^[0-9a-f]{64}$/),
            "cdk-pg-migrate:head": "2_t2",
          },
        });
        expect(updated).toMatchObject({
          status: "SUCCESS",
          data: { Head: "2_t2", AppliedCount: "2", PendingCount: "0", Snapshot: made?.id },
        });
        expect(appliedBefore).toEqual([["1_t1"]]);
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
      });
    });

    test("a first deploy makes no snapshot of an empty database, and the next one makes one of what is there then", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack }) => {
        const created = await stack.create(await deployable(tables(1), snapshot));
        expect(created).toMatchObject({ status: "SUCCESS", data: { Snapshot: "none", AppliedCount: "1" } });
        expect(services.rds.snapshots).toEqual([]);
        const updated = await stack.update(await deployable(tables(1, 2), snapshot));
        expect(updated).toMatchObject({ status: "SUCCESS", data: { Snapshot: expect.stringMatching(ID) } });
      });
    });

    test("a deploy without pending migrations, a rollback and a deletion make no snapshot", async () => {
      const { deployable, services } = aws();
      const down: ProjectOptions = { ...snapshot, onRollback: "down" };
      await withData(aws(), {}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), down));
        await stack.update(await deployable(tables(1, 2), down));
        const made = services.rds.snapshots.length;
        expect(made).toBe(2);
        const forced = await stack.update(await deployable(tables(1, 2), { ...down, forceRun: "again" }));
        expect(forced).toMatchObject({ status: "SUCCESS", data: { Snapshot: "none", AppliedCount: "2" } });
        await stack.update(await deployable(tables(1, 2, 3), down));
        expect(await stack.rollBack("old code")).toMatchObject({
          status: "SUCCESS",
          data: { Snapshot: "none" },
        });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS" });
        expect(services.rds.snapshots).toHaveLength(made + 1);
      });
    });

    test("migrations that are deployed, undone and deployed again get a snapshot each time", async () => {
      const { deployable, services } = aws();
      const down: ProjectOptions = { ...snapshot, onRollback: "down" };
      await withData(aws(), {}, async ({ stack }) => {
        await stack.create(await deployable(tables(1), down));
        const first = await stack.update(await deployable(tables(1, 2), down));
        await stack.update(await deployable(tables(1), down));
        const second = await stack.update(await deployable(tables(1, 2), down));
        expect(second).toMatchObject({ status: "SUCCESS", data: { Snapshot: expect.stringMatching(ID) } });
        expect(second?.data["Snapshot"]).not.toBe(first?.data["Snapshot"]);
        expect(services.rds.snapshots).toHaveLength(3);
      });
    });

    test("a request that is delivered twice makes one snapshot", async () => {
      const { deployable, services } = aws();
      await withData(aws(), {}, async ({ stack, db }) => {
        stack.deliveries = 2;
        expect(await stack.create(await deployable(tables(1), snapshot))).toMatchObject({
          status: "SUCCESS",
        });
        expect(services.rds.snapshots).toHaveLength(1);
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("a snapshot that fails fails the deploy before anything has run, and its rollback succeeds", async () => {
      const { deployable, services } = aws();
      await withData(aws(), {}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), snapshot));
        services.rds.outcome = "failed";
        const before = services.recorder.emissions.length;
        const failed = await stack.update(await deployable(tables(1, 2), snapshot));
        expect(failed).toMatchObject({ status: "FAILED" });
        expect(failed?.reason).toMatch(/^SNAPSHOT: the snapshot proof-[0-9a-f]{16} of .* is failed/);
        expect(failed?.reason).toMatch(/No migration was run\.\nLog group \/proof\/\w*Deploy/);
        expect(failuresSince(aws(), before)).toContain(1);
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        services.rds.outcome = "available";
        expect(await stack.update(await deployable(tables(1, 2), snapshot))).toMatchObject({
          status: "SUCCESS",
        });
      });
    });

    test.each(REFUSALS)("a deploy fails at once, with advice, when RDS answers %j", async (error, advice) => {
      const { deployable, services } = aws();
      services.rds.errors.create.push(error);
      await withData(aws(), {}, async ({ stack, db }) => {
        const failed = await stack.create(await deployable(tables(1), snapshot));
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^SNAPSHOT: /) });
        expect(failed.reason).toMatch(advice);
        expect(services.rds.snapshots).toEqual([]);
        expect((await db.query("SELECT to_regclass('pgmigrations') AS name"))[0]).toEqual({ name: null });
      });
    });

    test.each([
      ["create", busy],
      ["create", throttled],
      ["describe", throttled],
      ["describe", broken],
    ] as const)("a deploy goes on after RDS has answered to %s with %j for a while", async (call, error) => {
      const { deployable, services } = aws();
      services.rds.errors[call].push(...often(error));
      await withData(aws(), {}, async ({ stack }) => {
        expect(await stack.create(await deployable(tables(1), snapshot))).toMatchObject({
          status: "SUCCESS",
          data: { Snapshot: expect.stringMatching(ID), AppliedCount: "1" },
        });
      });
    });

    test("a snapshot that takes longer than snapshotTimeout fails the deploy, which says what it was waiting for", async () => {
      const { deployable, services } = aws();
      services.rds.asksUntilReady = 10_000;
      await withData(aws(), {}, async ({ stack, db }) => {
        const options = { ...snapshot, snapshotTimeoutSeconds: 1 };
        const failed = await stack.create(await deployable(tables(1), options));
        expect(failed).toMatchObject({ status: "FAILED" });
        expect(failed.reason).toMatch(/^SNAPSHOT: .* not available after 1 seconds: it is creating, 42 %/);
        expect((await db.query("SELECT to_regclass('pgmigrations') AS name"))[0]).toEqual({ name: null });
      });
    });

    test("nothing runs when the stack has begun to roll back while the snapshot was made", async () => {
      const { deployable, services } = aws();
      await withData(aws(), {}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), snapshot));
        services.rds.onCreate = () => {
          services.cloudFormation.status = "UPDATE_ROLLBACK_IN_PROGRESS";
        };
        const cancelled = await stack.update(await deployable(tables(1, 2), snapshot));
        expect(cancelled).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^CANCELLED: .*UPDATE_ROLLBACK_IN_PROGRESS/),
        });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("a migration that fails after the snapshot fails the deploy, which names the snapshot", async () => {
      const { deployable, services } = aws();
      await withData(aws(), {}, async ({ stack }) => {
        const failed = await stack.create(await deployable({ "1_broken.sql": FAILING }, snapshot));
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^SQL in 1_broken/) });
        expect(failed.reason).toContain(`The snapshot made before is ${services.rds.snapshots[0]?.id}.`);
      });
    });

    test("a run that would be refused fails at once, without a snapshot", async () => {
      const { deployable, services } = aws();
      await withData(aws(), {}, async ({ stack }) => {
        await stack.create(await deployable(tables(1)));
        const edited = { ...tables(2), "1_t1.sql": sql("CREATE TABLE t1 (id bigint);") };
        expect(await stack.update(await deployable(edited, snapshot))).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^CHANGED/),
        });
        expect(services.rds.snapshots).toEqual([]);
      });
    });

    test("a cluster whose identifier is given gets a snapshot of the cluster", async () => {
      const { deployable, services, server } = aws();
      const { host, port } = server.connection;
      const environment = { [ENV.host]: host, [ENV.port]: String(port) };
      await withData(aws(), { environment }, async ({ stack }) => {
        const options = { ...snapshot, cluster: "Shop-Aurora" };
        const created = await stack.create(await deployable(tables(1), options));
        expect(services.rds.snapshots).toEqual([
          expect.objectContaining({ kind: "cluster", source: "shop-aurora", id: created.data["Snapshot"] }),
        ]);
        expect(created).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "1" } });
      });
    });
  });
