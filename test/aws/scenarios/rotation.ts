import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import * as v from "valibot";
import { ROLE_RESOURCE } from "../../../lambda/contract.ts";
import { until } from "../../faults/until.ts";
import { ROLE_SECRET_ARN, STACK_ID } from "../cloud/physical-names.ts";
import type { Interruption, RotatedSecret } from "../cloud/secrets.ts";
import { type AwsEnvironment, type Deployment, type Scenarios, secretText } from "../environment.ts";
import { tables } from "../migrations.ts";
import { sessionsIn } from "../state.ts";
import { dropRoles } from "./role.ts";

const STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;
type Step = (typeof STEPS)[number];
const ROTATION = "on-rotate.handler";
const ROLE = `rotated_${process.pid}`;
const CLONE = `${ROLE}_clone`;
const OWNER = `${ROLE}_owner`;
const Credentials = v.object({ username: v.string(), password: v.string() });

interface Play extends Deployment {
  readonly roleSecret: RotatedSecret;
  /** CloudFormation's request for the role, as a deploy sends it. */
  deployRole(properties?: object): Promise<boolean>;
  step(step: Step, version: string): Promise<{ failed: boolean; payload: unknown }>;
  /** Carries out steps until one fails. @returns whether all succeeded */
  rotate(version: string, steps?: readonly Step[]): Promise<boolean>;
  /** What an application does with the text of a secret; `current_user`, or the code of the refusal. */
  use(text: string | undefined): Promise<string>;
}

async function withRotation(aws: AwsEnvironment, play: (scene: Play) => Promise<void>): Promise<void> {
  const { withStack, deployable, services, secrets, server } = aws;
  await withStack({}, async (deployment) => {
    const { stack, db } = deployment;
    const assembly = await deployable(tables(1), { role: ROLE });
    await stack.create(assembly);
    const secret = services.secrets.putVersions(ROLE_SECRET_ARN, secretText(ROLE, secrets.make("Ro'le")));
    const [LogicalResourceId] =
      Object.entries(assembly.resources).find(([, { Type }]) => Type === ROLE_RESOURCE) ?? [];
    const event = { StackId: STACK_ID, RequestId: "1", LogicalResourceId, ResourceType: ROLE_RESOURCE };
    const step = (Step: Step, version: string) =>
      stack.invoke(ROTATION, { Step, SecretId: ROLE_SECRET_ARN, ClientRequestToken: version });
    try {
      await play({
        ...{ ...deployment, roleSecret: secret, step },
        async deployRole(properties = {}) {
          const answer = await stack.invoke("on-stack-event.handler", {
            ...{ ...event, RequestType: "Create" },
            ResourceProperties: {
              ...{ Role: ROLE, Access: "write", Schemas: ["public"], Secret: ROLE_SECRET_ARN },
              ...properties,
            },
          });
          return !answer.failed;
        },
        async rotate(version, steps = STEPS) {
          for (const one of steps) if ((await step(one, version)).failed) return false;
          return true;
        },
        async use(text) {
          const { username: user, password } = v.parse(Credentials, JSON.parse(text ?? "{}"));
          secrets.add(password);
          const { host, port } = server.connection;
          const ssl = { ca: server.ca };
          const client = new pg.Client({ host, port, database: db.name, user, password, ssl });
          return connectedUser(client).catch(codeOf);
        },
      });
    } finally {
      await dropRoles(db, CLONE, ROLE, OWNER);
    }
  });
}

async function connectedUser(client: pg.Client): Promise<string> {
  await client.connect();
  try {
    const { rows } = await client.query("INSERT INTO t1 VALUES (1) RETURNING current_user AS name");
    return String(rows[0].name);
  } finally {
    await client.end();
  }
}

function codeOf(error: unknown): string {
  return error instanceof pg.DatabaseError ? String(error.code) : String(error);
}

const userIn = (text: string | undefined) => v.parse(Credentials, JSON.parse(text ?? "{}")).username;

const REFUSED = "28P01";
const ROLES_LOCK = "7241865325823965";

export const turns: Scenarios = (aws) =>
  describe("the rotation of a role's password, undisturbed", () => {
    test("two users take turns: the password before the current one still works, the one before that does not", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret }) => {
        expect(await deployRole()).toBe(true);
        const first = secret.text("AWSCURRENT");
        expect(await rotate(secret.begin())).toBe(true);
        const second = secret.text("AWSCURRENT");
        expect([userIn(first), userIn(second)]).toEqual([ROLE, CLONE]);
        // The clone acts as the role: what it makes belongs to the same owner.
        expect([await use(first), await use(second)]).toEqual([ROLE, ROLE]);
        expect(JSON.parse(second ?? "")).toMatchObject({ engine: "postgres", dbname: "another" });
        expect(await rotate(secret.begin())).toBe(true);
        const third = secret.text("AWSCURRENT");
        expect(userIn(third)).toBe(ROLE);
        expect([await use(first), await use(second), await use(third)]).toEqual([REFUSED, ROLE, ROLE]);
        expect(await rotate(secret.begin())).toBe(true);
        expect([await use(second), await use(third)]).toEqual([REFUSED, ROLE]);
        expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
      });
    });
  });

export const rotation: Scenarios = (aws) =>
  describe("the rotation of a role's password", () => {
    test("a rotation whose every step comes twice at the same time and once more, also after the end, ends as one whose steps come once", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret }) => {
        await deployRole();
        const version = secret.begin();
        for (const step of [...STEPS, ...STEPS]) {
          const answers = await Promise.all([rotate(version, [step]), rotate(version, [step])]);
          expect([step, ...answers]).toEqual([step, true, true]);
          expect(await rotate(version, [step])).toBe(true);
        }
        expect(userIn(secret.text("AWSCURRENT", version))).toBe(CLONE);
        expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
        expect(await use(secret.text("AWSPREVIOUS"))).toBe(ROLE);
      });
    });

    test("a rotation that is killed at any request leaves the current password valid, and its repetition finishes it", async () => {
      const { services } = aws();
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret, stack }) => {
        await deployRole();
        const calls: Interruption[] = [];
        secret.interrupt = async (call) => void calls.push(call);
        expect(await rotate(secret.begin())).toBe(true);
        expect(calls.map(({ operation }) => operation)).toEqual(
          expect.arrayContaining(["DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"]),
        );
        for (const index of calls.keys()) {
          let count = 0;
          secret.interrupt = async () => {
            count += 1;
            if (count - 1 !== index) return;
            expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
            services.lambda.kill(stack.functionName(ROTATION));
            throw new Error("killed");
          };
          const version = secret.begin();
          expect(await rotate(version)).toBe(false);
          expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
          expect(await rotate(version)).toBe(true);
          expect(await use(secret.text("AWSCURRENT", version))).toBe(ROLE);
          expect(await use(secret.text("AWSPREVIOUS"))).toBe(ROLE);
        }
      });
    }, 240_000);

    test("a rotation that is killed in its transaction changes nothing, and shows no password in its statement", async () => {
      const { services } = aws();
      await withRotation(aws(), async ({ deployRole, rotate, step, use, roleSecret: secret, stack, db }) => {
        await deployRole();
        const version = secret.begin();
        expect(await rotate(version, ["createSecret"])).toBe(true);
        const blocker = await db.client();
        for (const lock of [
          `SELECT pg_advisory_xact_lock(${ROLES_LOCK})`,
          "LOCK TABLE pg_auth_members IN SHARE MODE",
        ]) {
          await blocker.query(`BEGIN; ${lock}`);
          const answer = step("setSecret", version);
          await until(
            async () => (await sessionsIn(db, "wait_event_type = 'Lock'")) > 0,
            "setSecret to wait",
          );
          const [shown] = await db.query<{ query: string }>(
            "SELECT query FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'",
            [db.owner],
          );
          const { password } = v.parse(Credentials, JSON.parse(secret.text("AWSPENDING") ?? "{}"));
          expect(shown?.query).not.toContain(password);
          services.lambda.kill(stack.functionName(ROTATION));
          expect(await answer).toMatchObject({ failed: true });
          await blocker.query("ROLLBACK");
          await until(async () => (await sessionsIn(db)) === 0, "the session to end");
          expect(await db.query("SELECT FROM pg_roles WHERE rolname = $1", [CLONE])).toEqual([]);
          expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
        }
        expect(await rotate(version)).toBe(true);
        expect(await use(secret.text("AWSCURRENT", version))).toBe(ROLE);
      });
    });

    test("a rotation succeeds after one that was given up half-way, and so does a deploy after each step", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret }) => {
        await deployRole();
        for (const steps of [1, 2, 3]) {
          expect(await rotate(secret.begin(), STEPS.slice(0, steps))).toBe(true);
          expect(await deployRole()).toBe(true);
          expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
          const version = secret.begin();
          for (const step of STEPS) {
            expect(await rotate(version, [step])).toBe(true);
            expect(await deployRole()).toBe(true);
            expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
          }
          expect(secret.text("AWSCURRENT", version)).toBeDefined();
          expect(await use(secret.text("AWSPREVIOUS"))).toBe(ROLE);
        }
      });
    }, 60_000);

    test("a rotation ends with a valid password when the secret gets a new value in the middle of it", async () => {
      const { secrets } = aws();
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret }) => {
        await deployRole();
        await rotate(secret.begin());
        const version = secret.begin();
        await rotate(version, ["createSecret", "setSecret"]);
        secret.replace(secretText(ROLE, secrets.make("new")));
        expect(await deployRole()).toBe(true);
        expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
        expect(await rotate(version)).toBe(true);
        expect(await use(secret.text("AWSCURRENT", version))).toBe(ROLE);
      });
    });

    test("a deploy with IAM authentication after rotations leaves neither user a password", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret, db }) => {
        await deployRole();
        await rotate(secret.begin());
        await db.query("CREATE ROLE rds_iam");
        try {
          await db.query(`GRANT rds_iam TO ${db.owner} WITH ADMIN OPTION`);
          expect(await deployRole({ Secret: undefined })).toBe(true);
          expect(await use(secret.text("AWSPREVIOUS"))).toBe(REFUSED);
          expect(await use(secret.text("AWSCURRENT"))).toMatch(/^28/);
          expect(await deployRole()).toBe(true);
          expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
        } finally {
          await db.query("DROP OWNED BY rds_iam; DROP ROLE rds_iam");
        }
      });
    });

    test("both users of a rotation act as the owner with access: owner, and as the role again with less", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret }) => {
        expect(await deployRole({ Access: "owner" })).toBe(true);
        expect(await rotate(secret.begin())).toBe(true);
        const both = async () => [
          await use(secret.text("AWSPREVIOUS")),
          await use(secret.text("AWSCURRENT")),
        ];
        expect(await both()).toEqual([OWNER, OWNER]);
        expect(await deployRole({ Access: "write" })).toBe(true);
        expect(await both()).toEqual([ROLE, ROLE]);
        expect(await deployRole({ Access: "owner" })).toBe(true);
        expect(await both()).toEqual([OWNER, OWNER]);
      });
    });

    test("a rotation runs no SQL that the application has put into its own settings", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, use, roleSecret: secret, db }) => {
        await deployRole();
        const planted = `x; ALTER ROLE ${ROLE} CREATEROLE`;
        const { password } = v.parse(Credentials, JSON.parse(secret.text("AWSCURRENT") ?? "{}"));
        const { host, port } = aws().server.connection;
        const client = new pg.Client({
          ...{ host, port, database: db.name, user: ROLE, password, ssl: { ca: aws().server.ca } },
        });
        await client.connect();
        await client.query(`ALTER ROLE ${ROLE} SET role TO ${pg.escapeLiteral(planted)}`);
        await client.end();
        expect(await rotate(secret.begin())).toBe(true);
        const [row] = await db.query("SELECT rolcreaterole AS may FROM pg_roles WHERE rolname = $1", [ROLE]);
        expect(row).toEqual({ may: false });
        expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
      });
    });

    test("a rotation is refused when its second user is somebody else's, and the current password stays", async () => {
      await withRotation(aws(), async ({ deployRole, rotate, step, use, roleSecret: secret, db }) => {
        await db.query(`CREATE ROLE ${CLONE} LOGIN`);
        expect(await deployRole()).toBe(true);
        const version = secret.begin();
        await rotate(version, ["createSecret"]);
        const { payload } = await step("setSecret", version);
        expect(JSON.stringify(payload)).toMatch(
          new RegExp(`AUTH: the role ${CLONE} exists, and is not this construct's`),
        );
        expect(await use(secret.text("AWSCURRENT"))).toBe(ROLE);
      });
    });

    test("a rotation of another secret, an unknown step and a version that is not pending are refused", async () => {
      await withRotation(
        aws(),
        async ({ deployRole, rotate, stack, step, roleSecret: secret, secretArn }) => {
          await deployRole();
          const said = async (event: object) => JSON.stringify((await stack.invoke(ROTATION, event)).payload);
          const good = { Step: "setSecret", SecretId: ROLE_SECRET_ARN, ClientRequestToken: secret.begin() };
          expect(await said({ ...good, SecretId: secretArn })).toMatch(
            /USAGE: this function rotates the secret of/,
          );
          expect(await said({ ...good, Step: "drop" })).toMatch(/USAGE: this is no step of a rotation: Step/);
          expect(await said({})).toMatch(/Step is missing; SecretId is missing/);
          expect(JSON.stringify((await step("setSecret", "absent")).payload)).toMatch(
            /SECRET: the version absent of the secret is not pending/,
          );
          // Nothing has been written to it.
          expect(await rotate(good.ClientRequestToken, ["setSecret"])).toBe(false);
        },
      );
    });
  });
