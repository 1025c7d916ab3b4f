import { expect, test } from "@jest/globals";
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { PostgresDatabase, PostgresRole, type PostgresRoleProps } from "../../lib/index.ts";
import { addMigrations, newStack, only, resourcesOf } from "./synth.ts";

const ROLE = "Custom::PostgresRole";

function withRole(more: Partial<PostgresRoleProps> = {}, authentication: "secret" | "iam" = "secret") {
  const stack = newStack();
  const database = new PostgresDatabase(stack, "Database", { databaseName: "shop", authentication });
  const migrations = addMigrations(stack, {
    database,
    ...(authentication === "iam" ? { username: "migrator" } : {}),
  });
  const role = new PostgresRole(stack, "Role", { migrations, access: "read", roleName: "api", ...more });
  return { stack, database, migrations, role };
}

const text = (value: unknown) => JSON.stringify(value);

test("a role has a generated secret of its own, in the form that the rotation of AWS wants", () => {
  const { stack, role } = withRole();
  const secret = resourcesOf(stack, "AWS::SecretsManager::Secret").find(({ id }) => id.startsWith("Role"));
  const generated = secret?.Properties["GenerateSecretString"];
  expect(generated).toMatchObject({ GenerateStringKey: "password", PasswordLength: 32 });
  const template = text(generated.SecretStringTemplate);
  for (const part of ["postgres", "dbname", "shop", "username", "api", "Endpoint.Address"]) {
    expect(template).toContain(part);
  }
  expect(only(stack, ROLE).Properties).toEqual({
    ServiceToken: expect.anything(),
    ServiceTimeout: "960",
    Role: "api",
    Access: "read",
    Schemas: ["public"],
    Secret: { Ref: secret?.id },
    MigrationsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(stack.resolve(role.secret.secretArn)).toEqual({ Ref: secret?.id });
});

test("a role is served by the functions of its migrations, after the migrations have run and may read its secret", () => {
  const { stack } = withRole();
  const [role, migrations] = [only(stack, ROLE), only(stack, "Custom::PostgresMigrations")];
  expect(role.Properties["ServiceToken"]).toEqual(migrations.Properties["ServiceToken"]);
  const policy = resourcesOf(stack, "AWS::IAM::Policy").find(
    ({ id, Properties }) =>
      id.includes("Deploy") && text(Properties["PolicyDocument"]).includes("RoleSecret"),
  );
  expect(role.DependsOn).toEqual(expect.arrayContaining([migrations.id, policy?.id]));
});

test("who is granted the role may read its secret, and not that of the migrations", () => {
  const { stack, database, role } = withRole();
  const api = new iam.Role(stack, "Api", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
  role.grantConnect(api);
  const [policy] = resourcesOf(stack, "AWS::IAM::Policy").filter(({ id }) => id.startsWith("Api"));
  expect(policy?.Properties["PolicyDocument"].Statement).toEqual([
    {
      Effect: "Allow",
      Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
      Resource: stack.resolve(role.secret.secretArn),
    },
  ]);
  expect(stack.resolve(role.secret.secretArn)).not.toEqual(stack.resolve(database.secret.secretArn));
});

test("a role with IAM authentication has no secret, and grants to connect as itself", () => {
  const { stack, role } = withRole({}, "iam");
  expect(() => role.secret).toThrow('Stack/Role: there is no secret: authentication is "iam"');
  const api = new iam.Role(stack, "Api", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
  role.grantConnect(api);
  const [policy] = resourcesOf(stack, "AWS::IAM::Policy").filter(({ id }) => id.startsWith("Api"));
  const [statement] = policy?.Properties["PolicyDocument"].Statement ?? [];
  expect(statement).toMatchObject({ Action: "rds-db:connect" });
  expect(only(stack, ROLE).Properties).not.toHaveProperty("Secret");
  expect(text(statement.Resource)).toMatch(/DbiResourceId.*api/);
});

test("a role takes the schemas of its migrations, unless it names others", () => {
  const stack = newStack();
  const database = new PostgresDatabase(stack, "Database");
  const migrations = addMigrations(stack, { database, schema: ["shop", "audit"] });
  new PostgresRole(stack, "Role", { migrations, access: "write", roleName: "api" });
  expect(only(stack, ROLE).Properties).toMatchObject({ Schemas: ["shop", "audit"], Access: "write" });
});

test("the rotation that AWS hosts can be added to the secret of a role", () => {
  const { stack, database, role } = withRole();
  role.secret.addRotationSchedule("Rotation", {
    hostedRotation: secretsmanager.HostedRotation.postgreSqlSingleUser({ vpc: database.vpc }),
  });
  expect(only(stack, "AWS::SecretsManager::RotationSchedule").Properties).toMatchObject({
    HostedRotationLambda: { RotationType: "PostgreSQLSingleUser" },
  });
});

test.each<[string, Partial<PostgresRoleProps>, RegExp]>([
  ["a capital letter", { roleName: "Api" }, /roleName "Api" must be/],
  ["a reserved name", { roleName: "pg_api" }, /cannot begin with pg_/],
  ["SQL as a name", { roleName: "api; DROP TABLE t" }, /must be a small letter/],
  ["no schema", { schemas: [] }, /schemas must name at least one/],
])("a role refuses %s", (_, more, message) => {
  expect(() => withRole(more)).toThrow(message);
});

test("a role with a secret needs migrations with a secret", () => {
  expect(() => withRole({ authentication: "secret" }, "iam")).toThrow(/no way to Secrets Manager/);
});

test("a role must be in the stack of its migrations", () => {
  const { stack, migrations } = withRole();
  const other = new Stack(stack.node.scope, "Other");
  expect(() => new PostgresRole(other, "Role", { migrations, access: "read", roleName: "api" })).toThrow(
    /must be in the stack of its migrations/,
  );
});
