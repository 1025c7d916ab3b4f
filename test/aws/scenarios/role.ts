import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import { ROLE_RESOURCE } from "../../../lambda/contract.ts";
import { ROLE_SECRET_ARN as SECRET_ARN, STACK_ID } from "../cloud/physical-names.ts";
import type { OwnedDatabase } from "../database.ts";
import { type AwsEnvironment, type Deployment, type Scenarios, secretText } from "../environment.ts";
import { tables } from "../migrations.ts";

const STACK_EVENT = "on-stack-event.handler";
const WRITES = [
  "INSERT INTO t1 VALUES (1)",
  "UPDATE t1 SET id = 2",
  "DELETE FROM t1",
  "SELECT nextval('s1')",
] as const;
const NEVER = ["DROP TABLE t1", "CREATE TABLE mine ()", "TRUNCATE t1", "DELETE FROM pgmigrations"] as const;
const withSequence = { ...tables(1), "2_s1.sql": "CREATE SEQUENCE s1;" };

export interface RolePlay extends Deployment {
  readonly role: string;
  readonly password: string;
  /** Sends CloudFormation's request to the function in front. @returns what it answers */
  ask(properties: object, more?: object): Promise<{ failed: boolean; payload: unknown }>;
  /** Codes of what Postgres says to statements of the role; "ok" for none. */
  says(...statements: readonly string[]): Promise<string[]>;
}

let count = 0;

/** A stack with a table and a sequence, and a role that is not made yet. */
export async function withRole(
  { withStack, deployable, services, secrets, server }: AwsEnvironment,
  play: (scene: RolePlay) => Promise<void>,
): Promise<void> {
  await withStack({}, async (deployment) => {
    await deployment.stack.create(await deployable(withSequence));
    count += 1;
    const role = `api_${process.pid}_${count}`;
    const password = secrets.make("Ro'le");
    services.secrets.put(SECRET_ARN, () => ({ kind: "text", text: secretText(role, password) }));
    const { host, port } = server.connection;
    const connection = {
      ...{ host, port, database: deployment.db.name, user: role, password },
      ssl: { ca: server.ca },
    };
    const event = {
      StackId: STACK_ID,
      RequestId: "1",
      LogicalResourceId: "Role",
      ResourceType: ROLE_RESOURCE,
    };
    try {
      await play({
        ...{ ...deployment, role, password },
        ask: (properties, more = {}) =>
          deployment.stack.invoke(STACK_EVENT, {
            ...{ ...event, RequestType: "Create", ...more },
            ResourceProperties: {
              ...{ Role: role, Access: "read", Schemas: ["public"], Secret: SECRET_ARN, ...properties },
            },
          }),
        async says(...statements) {
          const client = new pg.Client(connection);
          await client.connect();
          try {
            const answers: string[] = [];
            for (const statement of statements) {
              answers.push(await client.query(statement).then(() => "ok", codeOf));
            }
            return answers;
          } finally {
            await client.end();
          }
        },
      });
    } finally {
      await dropRoles(deployment.db, role, `${role}_owner`);
    }
  });
}

/** Roles outlive the database of a scenario. */
export async function dropRoles(db: OwnedDatabase, ...roles: readonly string[]): Promise<void> {
  for (const role of roles) {
    await db.query(
      `DO $$ BEGIN IF to_regrole('${role}') IS NOT NULL THEN DROP OWNED BY ${role}; DROP ROLE ${role}; END IF; END $$`,
    );
  }
}

function codeOf(error: unknown): string {
  return error instanceof pg.DatabaseError ? String(error.code) : String(error);
}

const DENIED = "42501";

export const roles: Scenarios = (aws) =>
  describe("an application role", () => {
    test("a role of an application logs in with its own password and reads what the migrations made, and changes nothing", async () => {
      await withRole(aws(), async ({ ask, says }) => {
        expect(await ask({})).toMatchObject({ failed: false });
        expect(await says("SELECT * FROM t1", "SELECT name FROM pgmigrations")).toEqual(["ok", "ok"]);
        expect(await says(...WRITES, ...NEVER)).toEqual([...WRITES, ...NEVER].map(() => DENIED));
      });
    });

    test("a role of an application may write with access: write, but neither change a table nor what was applied", async () => {
      await withRole(aws(), async ({ ask, says }) => {
        await ask({ Access: "write" });
        expect(await says(...WRITES)).toEqual(WRITES.map(() => "ok"));
        expect(await says(...NEVER, "DELETE FROM pgmigrations_history")).toEqual(
          [...NEVER, 1].map(() => DENIED),
        );
      });
    });

    test("a role of an application has the same rights to tables that later migrations make", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, says, stack }) => {
        await ask({ Access: "write" });
        const later = { ...withSequence, ...tables(3) };
        expect(await stack.update(await deployable(later))).toMatchObject({ status: "SUCCESS" });
        expect(await says("INSERT INTO t3 VALUES (1)", "SELECT * FROM t3")).toEqual(["ok", "ok"]);
      });
    });

    test("a role of an application loses rights when its access is changed, to later tables too", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, says, stack }) => {
        await ask({ Access: "write" });
        expect(await ask({ Access: "read" }, { RequestType: "Update" })).toMatchObject({ failed: false });
        await stack.update(await deployable({ ...withSequence, ...tables(3) }));
        expect(await says(...WRITES, "INSERT INTO t3 VALUES (1)")).toEqual([...WRITES, 1].map(() => DENIED));
        expect(await says("SELECT * FROM t1", "SELECT * FROM t3")).toEqual(["ok", "ok"]);
      });
    });

    test("a role of an application is the same after a request that comes twice, also at the same time", async () => {
      await withRole(aws(), async ({ ask, says }) => {
        const answers = await Promise.all([ask({}), ask({})]);
        expect(answers.map(({ failed }) => failed)).toEqual([false, false]);
        expect(await ask({})).toMatchObject({ failed: false });
        expect(await says("SELECT * FROM t1")).toEqual(["ok"]);
      });
    });

    test("a role of an application has the old rights again after a rollback, which succeeds although the role cannot be changed", async () => {
      const { services } = aws();
      await withRole(aws(), async ({ ask, says, db, role }) => {
        await ask({ Access: "write" });
        services.cloudFormation.status = "UPDATE_ROLLBACK_IN_PROGRESS";
        const back = { RequestType: "Update", PhysicalResourceId: "role:proof/Role" };
        expect(await ask({ Access: "read" }, back)).toMatchObject({ failed: false });
        expect(await says("INSERT INTO t1 VALUES (1)")).toEqual([DENIED]);
        await db.query(`ALTER ROLE ${role} SUPERUSER`);
        expect(await ask({ Access: "write" }, back)).toMatchObject({
          failed: false,
          payload: { PhysicalResourceId: "role:proof/Role" },
        });
        await db.query(`ALTER ROLE ${role} NOSUPERUSER`);
        expect(await says("INSERT INTO t1 VALUES (1)")).toEqual([DENIED]);
      });
    });

    test("a role of an application is made although the right to read its secret is too new", async () => {
      const { services } = aws();
      await withRole(aws(), async ({ ask, says, role, password }) => {
        const denied = { kind: "error", code: "AccessDeniedException", message: "not yet" } as const;
        const given = { kind: "text", text: secretText(role, password) } as const;
        services.secrets.put(SECRET_ARN, (call) => (call === 1 ? denied : given));
        expect(await ask({})).toMatchObject({ failed: false });
        expect(services.secrets.calls(SECRET_ARN)).toBe(2);
        expect(await says("SELECT * FROM t1")).toEqual(["ok"]);
      });
    }, 60_000);

    test("a role of an application is kept when its construct is deleted", async () => {
      await withRole(aws(), async ({ ask, says }) => {
        await ask({});
        const deletion = { RequestType: "Delete", PhysicalResourceId: "role:proof/Role" };
        expect(await ask({}, deletion)).toMatchObject({ failed: false });
        expect(await says("SELECT * FROM t1")).toEqual(["ok"]);
      });
    });

    test.each([
      ["a superuser", "SUPERUSER"],
      ["an administrator", "CREATEDB"],
      ["not this construct's", "LOGIN"],
    ])(
      "a role of an application is refused, and the other one left as it is, when the name is taken by a role that is %s",
      async (what, attribute) => {
        await withRole(aws(), async ({ ask, db, role }) => {
          await db.query(`CREATE ROLE ${role} ${attribute}`);
          const { failed, payload } = await ask({});
          expect(failed).toBe(true);
          expect(JSON.stringify(payload)).toMatch(
            new RegExp(`AUTH: the role ${role} exists, and is ${what}.*Give the construct another roleName`),
          );
          const [row] = await db.query(
            "SELECT rolpassword IS NULL AS none FROM pg_authid WHERE rolname = $1",
            [role],
          );
          expect(row).toEqual({ none: true });
        });
      },
    );

    test("a role of an application is not made half when a schema is missing or the secret is another user's", async () => {
      const { services, secrets } = aws();
      await withRole(aws(), async ({ ask, db, role }) => {
        const missing = await ask({ Schemas: ["public", "elsewhere"] });
        expect(JSON.stringify(missing.payload)).toMatch(/SCHEMA_NOT_FOUND: the schema elsewhere of the role/);
        const text = secretText("somebody", secrets.make("x"));
        services.secrets.put(SECRET_ARN, () => ({ kind: "text", text }));
        expect(JSON.stringify((await ask({})).payload)).toMatch(/SECRET: .* is for another user/);
        expect(await db.query("SELECT FROM pg_roles WHERE rolname = $1", [role])).toEqual([]);
      });
    });

    test("a role of an application gets rds_iam and no password with IAM authentication, and loses it with a secret", async () => {
      await withRole(aws(), async ({ ask, db, role, says }) => {
        await db.query("CREATE ROLE rds_iam");
        try {
          await db.query(`GRANT rds_iam TO ${db.owner} WITH ADMIN OPTION`);
          expect(await ask({ Secret: undefined })).toMatchObject({ failed: false });
          const state = async () =>
            (
              await db.query(
                `SELECT rolpassword IS NULL AS none, pg_has_role(oid, 'rds_iam', 'MEMBER') AS token
                 FROM pg_authid WHERE rolname = $1`,
                [role],
              )
            )[0];
          expect(await state()).toEqual({ none: true, token: true });
          await ask({});
          expect(await state()).toEqual({ none: false, token: false });
          expect(await says("SELECT * FROM t1")).toEqual(["ok"]);
        } finally {
          await db.query("DROP OWNED BY rds_iam; DROP ROLE rds_iam");
        }
      });
    });
  });
