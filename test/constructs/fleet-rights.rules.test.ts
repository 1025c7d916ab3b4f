import { describe, expect, test } from "@jest/globals";
import type { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import * as sns from "aws-cdk-lib/aws-sns";
import { FleetTargets } from "../../lib/index.ts";
import { addFleet, rightsOf, stackWithFleet } from "./fleet.ts";
import { importedSecret, newStack, resourcesOf } from "./synth.ts";

const OBJECTS = "<FleetResults.Arn>/Stack-Fleet/executions/*";
const LIST = 's3:ListBucket <FleetResults.Arn> {"StringLike":{"s3:prefix":"Stack-Fleet/executions/*"}}';
const EXECUTIONS = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution";

function sorted(rights: readonly string[]): readonly string[] {
  return rights.toSorted();
}

/** Without the ones that say what the code of a function may not do. */
function allowed(stack: Stack, id: string): readonly string[] {
  return rightsOf(stack, id)
    .filter((right) => !right.startsWith("deny "))
    .toSorted();
}

describe("with a query", () => {
  const stack = stackWithFleet();

  test.each([
    ["StatusMachine", "Status"],
    ["OperateMachine", "Operate"],
  ])("%s may invoke its four functions, read lists, write results, and run its children", (id, target) => {
    const machine = `Fleet${id}`;
    expect(allowed(stack, id)).toEqual(
      sorted([
        "lambda:InvokeFunction <FleetPrepare.Arn>",
        `lambda:InvokeFunction <Fleet${target}.Arn>`,
        "lambda:InvokeFunction <FleetCheck.Arn>",
        "lambda:InvokeFunction <FleetSummarize.Arn>",
        `s3:GetObject ${OBJECTS}/items/*`,
        `s3:PutObject ${OBJECTS}/results/*`,
        `s3:GetObject ${OBJECTS}/results/*`,
        `s3:ListMultipartUploadParts ${OBJECTS}/results/*`,
        `s3:AbortMultipartUpload ${OBJECTS}/results/*`,
        `states:StartExecution <${machine}>`,
        `states:DescribeExecution ${EXECUTIONS}:<${machine}.Name>:*`,
        `states:DescribeExecution ${EXECUTIONS}:<${machine}.Name>/Targets:*`,
        `states:StopExecution ${EXECUTIONS}:<${machine}.Name>:*`,
        `states:StopExecution ${EXECUTIONS}:<${machine}.Name>/Targets:*`,
      ]),
    );
  });

  test.each(["StatusService", "OperateService", "ListService"])(
    "the function of %sRole may read the secret of the fleet's own database, and no other",
    (role) => {
      const rights = allowed(stack, role);
      expect(rights).toEqual(
        sorted([
          "secretsmanager:GetSecretValue <DatabaseInstanceSecretAttachment>",
          "secretsmanager:DescribeSecret <DatabaseInstanceSecretAttachment>",
        ]),
      );
    },
  );

  test("prepare may run the query and write lists, and knows where the secret is but may not read it", () => {
    expect(allowed(stack, "Prepare")).toEqual(
      sorted([`s3:PutObject ${OBJECTS}`, "lambda:InvokeFunction <FleetList.Arn>"]),
    );
  });

  test("check reads results, and summarize writes the summary too", () => {
    expect(allowed(stack, "Check")).toEqual([`s3:GetObject ${OBJECTS}`, LIST]);
    expect(allowed(stack, "Summarize")).toEqual(
      sorted([`s3:GetObject ${OBJECTS}`, LIST, `s3:PutObject ${OBJECTS}/summary.json`]),
    );
  });

  test.each(["Event", "IsComplete"])(
    "the function %s may ask for its own stack, and start, describe and stop executions that change databases",
    (id) => {
      expect(allowed(stack, `${id}Service`)).toEqual(
        sorted([
          "states:StartExecution <FleetOperateMachine>",
          `states:DescribeExecution ${EXECUTIONS}:<FleetOperateMachine.Name>:*`,
          `states:StopExecution ${EXECUTIONS}:<FleetOperateMachine.Name>:*`,
          "cloudformation:DescribeStacks <AWS::StackId>",
        ]),
      );
    },
  );

  test("no statement allows every action, and none every resource", () => {
    const statements = resourcesOf(stack, "AWS::IAM::Policy").flatMap(
      ({ Properties }) => Properties["PolicyDocument"].Statement,
    );
    for (const { Effect, Action, Resource } of statements) {
      if (Effect === "Deny") continue;
      expect([Action].flat().filter((action: string) => action.includes("*"))).toEqual([]);
      expect([Resource].flat()).not.toContain("*");
    }
  });
});

describe("targets from elsewhere", () => {
  test("a list: the functions of a target may read the secrets in it, and there is no function that runs a query", () => {
    const stack = newStack();
    const targets = FleetTargets.list([{ host: "a.example.com", secret: importedSecret(stack) }]);
    addFleet(stack, { targets, servers: [] });
    for (const id of ["StatusService", "OperateService"]) {
      expect(allowed(stack, id).join("\n")).toContain(":secret:app-AbCdEf");
    }
    expect(allowed(stack, "Prepare").join("\n")).not.toContain("secretsmanager");
    expect(allowed(stack, "List")).toEqual([]);
  });

  test("secrets by tag: secrets with that tag alone can be read; only listing them knows no resources", () => {
    const stack = stackWithFleet({ targets: FleetTargets.secretsByTag({ key: "fleet", value: "shop" }) });
    const tagged =
      "secretsmanager:GetSecretValue arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:* " +
      '{"StringEquals":{"aws:ResourceTag/fleet":"shop"}}';
    expect(allowed(stack, "StatusService")).toContain(tagged);
    expect(allowed(stack, "OperateService")).toContain(tagged);
    expect(allowed(stack, "Prepare")).toEqual(
      sorted([`s3:PutObject ${OBJECTS}`, "secretsmanager:ListSecrets *", tagged]),
    );
  });

  test("a query whose rows name secrets: those with the tag can be read, and prepare needs none of them", () => {
    const secretTag = { key: "fleet", value: "shop" };
    const stack = stackWithFleet({ targets: FleetTargets.query({ sql: "SELECT * FROM shards", secretTag }) });
    expect(allowed(stack, "OperateService").join("\n")).toContain('"aws:ResourceTag/fleet":"shop"');
    expect(allowed(stack, "Prepare").join("\n")).not.toContain("secretsmanager");
  });

  test("secrets with a key of their own: the functions may use it for secrets", () => {
    const stack = newStack();
    const encryptionKey = kms.Key.fromKeyArn(stack, "Key", "arn:aws:kms:eu-west-1:111122223333:key/abc");
    const targets = FleetTargets.secretsByTag({ key: "fleet", value: "shop", encryptionKey });
    addFleet(stack, { targets });
    for (const id of ["Prepare", "StatusService", "OperateService"]) {
      const [decrypt] = allowed(stack, id).filter((right) => right.startsWith("kms:"));
      expect(decrypt).toContain("kms:Decrypt arn:aws:kms:eu-west-1:111122223333:key/abc");
      expect(decrypt).toContain("secretsmanager.");
    }
  });

  test("a list with a user: the functions of a target may connect as this user to the fleet's own database", () => {
    const stack = stackWithFleet({ targets: FleetTargets.list([{ schema: "acme", user: "acme_migrator" }]) });
    for (const id of ["StatusService", "OperateService"]) {
      expect(allowed(stack, id).join("\n")).toMatch(/rds-db:connect .*DbiResourceId>\/acme_migrator/);
    }
  });

  test("an object of S3: prepare may read this object and decrypt it", () => {
    const stack = newStack();
    const bucket = new s3.Bucket(stack, "Tenants", { encryptionKey: new kms.Key(stack, "Key") });
    addFleet(stack, { targets: json(bucket) });
    expect(allowed(stack, "Prepare")).toEqual(
      sorted([`s3:PutObject ${OBJECTS}`, "s3:GetObject <Tenants.Arn>/tenants.json", "kms:Decrypt <Key.Arn>"]),
    );
  });
});

function json(bucket: unknown): FleetTargets {
  const isBucket = (value: unknown): value is s3.IBucket => value instanceof s3.Bucket;
  if (!isBucket(bucket)) throw new TypeError("no bucket");
  return FleetTargets.json({ bucket, key: "tenants.json" });
}

describe("a person who is granted", () => {
  function granted(grant: (fleet: ReturnType<typeof addFleet>, user: iam.User) => iam.Grant) {
    const stack = newStack();
    const fleet = addFleet(stack);
    const user = new iam.User(stack, "FleetOperator");
    expect(grant(fleet, user).success).toBe(true);
    const [policy] = resourcesOf(stack, "AWS::IAM::Policy").filter(({ Properties }) => Properties["Users"]);
    return (policy?.Properties["PolicyDocument"].Statement ?? [])
      .flatMap(({ Action }: { Action: unknown }) => [Action].flat())
      .toSorted();
  }

  test("status may start executions that read, look at them and at their results", () => {
    expect(granted((fleet, user) => fleet.grantStatus(user))).toEqual(
      sorted(["states:StartExecution", "states:DescribeExecution", "s3:GetObject"]),
    );
  });

  test("operate may start and stop executions that change databases", () => {
    expect(granted((fleet, user) => fleet.grantOperate(user))).toEqual(
      sorted(["states:StartExecution", "states:DescribeExecution", "states:StopExecution", "s3:GetObject"]),
    );
  });

  test("approve may answer, and start nothing", () => {
    expect(granted((fleet, user) => fleet.grantApprove(user))).toEqual(
      sorted(["states:SendTaskSuccess", "states:SendTaskFailure"]),
    );
  });
});

test("only the state machine that changes databases may publish, and only to the topic of approvals", () => {
  const stack = newStack();
  addFleet(stack, { approvalTopic: new sns.Topic(stack, "Approvals"), waitForFleet: false });
  expect(allowed(stack, "OperateMachine")).toContain("sns:Publish <Approvals>");
  expect(allowed(stack, "StatusMachine").join("\n")).not.toContain("sns");
});

test("a bucket that is given is used under the name of the fleet alone, with its key", () => {
  const stack = newStack();
  const resultsBucket = s3.Bucket.fromBucketAttributes(stack, "Given", {
    bucketName: "results",
    encryptionKey: kms.Key.fromKeyArn(stack, "Key", "arn:aws:kms:eu-west-1:111122223333:key/abc"),
  });
  addFleet(stack, { resultsBucket, fleetName: "tenants" });
  const prepare = allowed(stack, "Prepare");
  expect(prepare).toContain("s3:PutObject arn:<AWS::Partition>:s3:::results/tenants/executions/*");
  expect(prepare).toContain("kms:Decrypt arn:aws:kms:eu-west-1:111122223333:key/abc");
  expect(resourcesOf(stack, "AWS::S3::Bucket")).toEqual([]);
});

test("the secret of another target is not read by the fleet's query", () => {
  const stack = newStack();
  const secret = secretsmanager.Secret.fromSecretNameV2(stack, "Reader", "shop/reader");
  addFleet(stack, { statusSecret: secret });
  expect(allowed(stack, "ListService").join("\n")).toContain(":secret:shop/reader-??????");
  expect(allowed(stack, "OperateService").join("\n")).not.toContain("shop/reader");
});
