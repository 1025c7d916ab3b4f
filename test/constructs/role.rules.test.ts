import { expect, test } from "@jest/globals";
import { App, Duration, Stack, Validations } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as sns from "aws-cdk-lib/aws-sns";
import { AwsSolutionsChecks } from "cdk-nag";
import { PostgresDatabase, PostgresRole, type PostgresRoleProps } from "../../lib/index.ts";
import { addMigrations, findingsOf, functionOf, newStack, only, resourcesOf } from "./synth.ts";

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

test("a role has a generated secret of its own, in the form that RDS writes", () => {
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
    Database: expect.anything(),
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

const ROTATION = "on-rotate.handler";

function statementsFor(stack: Stack, handlerId: string): readonly unknown[] {
  return resourcesOf(stack, "AWS::IAM::Policy")
    .filter(({ Properties }) => text(Properties["Roles"]).includes(handlerId))
    .flatMap(({ Properties }) => Properties["PolicyDocument"].Statement);
}

test("a role with rotateAfter has a function that Secrets Manager of this account calls, after the role is made", () => {
  const { stack } = withRole({ rotateAfter: Duration.days(30) });
  const rotation = functionOf(stack, ROTATION);
  const schedule = only(stack, "AWS::SecretsManager::RotationSchedule");
  expect(schedule.Properties).toEqual({
    SecretId: { Ref: expect.stringMatching(/^RoleSecret/) },
    RotationLambdaARN: { "Fn::GetAtt": [rotation.id, "Arn"] },
    RotationRules: { ScheduleExpression: "rate(30 days)" },
  });
  const permissions = resourcesOf(stack, "AWS::Lambda::Permission").filter(({ id }) => id.startsWith("Role"));
  expect(permissions.map(({ Properties }) => Properties)).toEqual([
    {
      Action: "lambda:InvokeFunction",
      FunctionName: { "Fn::GetAtt": [rotation.id, "Arn"] },
      Principal: "secretsmanager.amazonaws.com",
      SourceAccount: { Ref: "AWS::AccountId" },
    },
  ]);
  const policies = resourcesOf(stack, "AWS::IAM::Policy").filter(({ id }) => id.includes("Rotation"));
  for (const { id } of [only(stack, ROLE), ...permissions, ...policies]) {
    expect(schedule.DependsOn).toContain(id);
  }
});

test("the function of a rotation may write the secret of its role alone, and knows whose it is", () => {
  const { stack, role, migrations } = withRole({ rotateAfter: Duration.hours(6) });
  const rotation = functionOf(stack, ROTATION);
  const secret = stack.resolve(role.secret.secretArn);
  expect(statementsFor(stack, "RoleRotation")).toEqual([
    expect.objectContaining({
      Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
      Resource: stack.resolve(migrations.secret.secretArn),
    }),
    expect.objectContaining({ Effect: "Deny", Resource: "*" }),
    {
      Effect: "Allow",
      Action: [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      Resource: secret,
    },
  ]);
  expect(rotation.Properties["Environment"].Variables).toMatchObject({
    ROLE: "api",
    ROLE_RESOURCE: { "Fn::Join": ["", [{ Ref: "AWS::StackName" }, `/${only(stack, ROLE).id}`]] },
    ROLE_SECRET_ARN: secret,
    DATABASE_SECRET_ARN: stack.resolve(migrations.secret.secretArn),
  });
  const [deploy] = [functionOf(stack, "on-deploy.handler")];
  expect(rotation.Properties["VpcConfig"]).toEqual(deploy?.Properties["VpcConfig"]);
});

test("the function of a rotation may use the key of the secret by way of Secrets Manager only", () => {
  const stack = newStack();
  const migrations = addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  const key: unknown = new kms.Key(stack, "Key");
  if (!isKey(key)) throw new TypeError("no key");
  const props = { migrations, access: "read", roleName: "api", encryptionKey: key } as const;
  new PostgresRole(stack, "Role", { ...props, rotateAfter: Duration.days(1) });
  const document = only(stack, "AWS::KMS::Key").Properties["KeyPolicy"];
  const statements: readonly { Principal: unknown; Action: unknown; Condition: unknown }[] =
    document.Statement;
  const own = statements.filter(({ Principal }) => text(Principal).includes("RoleRotation"));
  expect(own).toHaveLength(1);
  expect(own[0]?.Action).toEqual(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]);
  expect(text(own[0]?.Condition)).toContain("kms:ViaService");
  expect(only(stack, "AWS::SecretsManager::RotationSchedule").Properties["RotationRules"]).toEqual({
    ScheduleExpression: "rate(1 day)",
  });
});

function isKey(value: unknown): value is kms.IKey {
  return value instanceof kms.Key;
}

test("a rotation that fails has an alarm, which goes to the topic of the migrations", () => {
  const stack = newStack();
  const alarmTopic: unknown = new sns.Topic(stack, "Topic");
  if (!isTopic(alarmTopic)) throw new TypeError("no topic");
  const database = new PostgresDatabase(stack, "Database");
  const migrations = addMigrations(stack, { database, alarmTopic });
  const props = { migrations, access: "read", roleName: "api" } as const;
  const role = new PostgresRole(stack, "Role", { ...props, rotateAfter: Duration.days(30) });
  expect(role.rotationAlarm).toBeDefined();
  const alarm = resourcesOf(stack, "AWS::CloudWatch::Alarm").find(({ id }) => id.startsWith("Role"));
  expect(alarm?.Properties).toMatchObject({
    AlarmDescription: expect.stringMatching(/^The password of api was not changed/),
    AlarmActions: [{ Ref: expect.stringMatching(/^Topic/) }],
  });
  expect(withRole().role.rotationAlarm).toBeUndefined();
});

function isTopic(value: unknown): value is sns.ITopic {
  return value instanceof sns.Topic;
}

test("cdk-nag finds nothing in a role that rotates but the managed policies that all functions have", () => {
  const { stack } = withRole({ rotateAfter: Duration.days(30) });
  const app = stack.node.root;
  if (!(app instanceof App)) throw new TypeError("no app");
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(() => app.synth()).toThrow("AwsSolutions");
  const found = findingsOf(app).filter((finding) => finding.includes("Stack/Role/"));
  expect(found.map((finding) => finding.replace(/ .*/, ""))).toEqual([
    expect.stringContaining("AWSLambdaBasicExecutionRole"),
    expect.stringContaining("AWSLambdaVPCAccessExecutionRole"),
  ]);
});

test.each<[string, Partial<PostgresRoleProps>, RegExp]>([
  ["a capital letter", { roleName: "Api" }, /roleName "Api" must be/],
  ["a reserved name", { roleName: "pg_api" }, /cannot begin with pg_/],
  ["SQL as a name", { roleName: "api; DROP TABLE t" }, /must be a small letter/],
  ["no schema", { schemas: [] }, /schemas must name at least one/],
  [
    "a name with no room for that of the owner",
    { roleName: "a".repeat(58), access: "owner" },
    /`_owner` behind it/,
  ],
  ["a rotation every hour", { rotateAfter: Duration.hours(1) }, /from 4 hours to 1000 days, not 1 hour/],
  ["a rotation after years", { rotateAfter: Duration.days(1001) }, /not 1001 days/],
  ["a rotation after parts of an hour", { rotateAfter: Duration.minutes(270) }, /whole hours/],
  [
    "a name with no room for that of its second user",
    { roleName: "a".repeat(58), rotateAfter: Duration.days(30) },
    /at most 57 characters: there is another role with `_clone`/,
  ],
])("a role refuses %s", (_, more, message) => {
  expect(() => withRole(more)).toThrow(message);
});

test("a role with a secret needs migrations with a secret", () => {
  expect(() => withRole({ authentication: "secret" }, "iam")).toThrow(/no way to Secrets Manager/);
});

test("a second owner of the same migrations is refused, and a writer beside an owner is not", () => {
  const { migrations, stack } = withRole({ access: "owner" });
  new PostgresRole(stack, "Writer", { migrations, access: "write", roleName: "writer" });
  expect(only(stack, "AWS::RDS::DBInstance")).toBeDefined();
  expect(
    () => new PostgresRole(stack, "Second", { migrations, access: "owner", roleName: "second" }),
  ).toThrow("Stack/Second: Stack/Role already owns what these migrations make");
});

test("a role refuses another access than read, write and owner", () => {
  const props: object = { access: "admin" };
  expect(() => withRole(props)).toThrow('access must be "read" or "write" or "owner", not "admin"');
});

test("a role with IAM authentication has no password that could be rotated", () => {
  expect(() => withRole({ rotateAfter: Duration.days(30) }, "iam")).toThrow(
    'Stack/Role: rotateAfter is only for `authentication: "secret"`',
  );
});

test("a role must be in the stack of its migrations", () => {
  const { stack, migrations } = withRole();
  const other = new Stack(stack.node.scope, "Other");
  expect(() => new PostgresRole(other, "Role", { migrations, access: "read", roleName: "api" })).toThrow(
    /must be in the stack of its migrations/,
  );
});
