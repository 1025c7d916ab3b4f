import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import validate from "asl-validator";
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as sns from "aws-cdk-lib/aws-sns";
import { ASSET, ENV, FLEET_METRICS } from "../../lambda/contract.ts";
import { FleetTargets } from "../../lib/index.ts";
import { addFleet, plain, stackWithFleet } from "./fleet.ts";
import {
  egress,
  functionOf,
  importedGroup,
  importedSecret,
  makeVpc,
  newApp,
  newStack,
  only,
  type Resource,
  resourcesOf,
  variables,
} from "./synth.ts";

const RESOURCE = "Custom::PostgresMigrationsFleet";
const MACHINE = "AWS::StepFunctions::StateMachine";

function machine(stack: Stack, id: string): Resource {
  const found = resourcesOf(stack, MACHINE).find((one) => one.id.startsWith(`Fleet${id}`));
  if (found === undefined) throw new Error(`no state machine ${id}`);
  return found;
}

describe("a fleet of the schemas of a query", () => {
  const stack = stackWithFleet({ createSchema: true });

  test("its custom resource says in `cdk diff` what a deploy would run, and where", () => {
    const { ServiceToken: _, MigrationsHash: hash, ...properties } = only(stack, RESOURCE).Properties;
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, plain(value)]))).toEqual(
      {
        ServiceTimeout: "3600",
        Database: "<DatabaseInstance.Endpoint.Address>:<DatabaseInstance.Endpoint.Port>/shop",
        Secret: "<DatabaseInstanceSecretAttachment>",
        Network: expect.stringContaining("FleetSecurityGroup"),
        MigrationCount: "2",
        Head: "2_two",
        Newest: '["1_one","2_two"]',
        Options: '{"createSchema":true}',
        Fleet: "Stack-Fleet",
        Targets: "query: SELECT schema FROM public.tenants",
      },
    );
  });

  test("its state machines are standard ones, and their definitions are text without references", () => {
    for (const id of ["StatusMachine", "OperateMachine"]) {
      const {
        DefinitionString: text,
        DefinitionSubstitutions: values,
        StateMachineType: type,
      } = machine(stack, id).Properties;
      expect(type ?? "STANDARD").toBe("STANDARD");
      const names = [...String(text).matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name);
      expect(new Set(names)).toEqual(new Set(Object.keys(values)));
      const result = validate(JSON.parse(text.replaceAll(/\$\{\w+\}/g, "aws")));
      expect(result.isValid ? "" : result.errorsText("\n")).toBe("");
    }
  });

  test("each state machine runs the targets with a function of its own", () => {
    const target = (id: string) => plain(machine(stack, id).Properties["DefinitionSubstitutions"].target);
    expect(target("StatusMachine")).toBe("<FleetStatus.Arn>");
    expect(target("OperateMachine")).toBe("<FleetOperate.Arn>");
    expect(functionOf(stack, ASSET.fleetStatusHandler).id).toMatch(/^FleetStatus/);
    expect(functionOf(stack, ASSET.fleetOperateHandler).id).toMatch(/^FleetOperate/);
  });

  test("functions that reach databases are in the VPC, and those that use S3 and Step Functions are not", () => {
    const isInside = (handler: string) => functionOf(stack, handler).Properties["VpcConfig"] !== undefined;
    const { fleetListHandler, fleetStatusHandler, fleetOperateHandler } = ASSET;
    expect([fleetListHandler, fleetStatusHandler, fleetOperateHandler].map(isInside)).toEqual([
      true,
      true,
      true,
    ]);
    const { fleetPrepareHandler, fleetCheckHandler, fleetSummarizeHandler } = ASSET;
    const { fleetEventHandler, fleetIsCompleteHandler } = ASSET;
    const outside = [fleetPrepareHandler, fleetCheckHandler, fleetSummarizeHandler];
    expect([...outside, fleetEventHandler, fleetIsCompleteHandler].filter(isInside)).toEqual([]);
  });

  test("no function gets a secret, only its ARN", () => {
    for (const { Properties } of resourcesOf(stack, "AWS::Lambda::Function")) {
      expect(JSON.stringify(Properties["Environment"] ?? {})).not.toMatch(/password|resolve:/i);
    }
  });

  test("the functions know the bucket, the part of its keys, the query, and the options of the engine", () => {
    expect(variables(stack, ASSET.fleetPrepareHandler)).toMatchObject({
      [ENV.fleetPrefix]: "Stack-Fleet/",
      [ENV.database]: "shop",
    });
    expect(variables(stack, ASSET.fleetListHandler)).toMatchObject({
      [ENV.fleetQuery]: "SELECT schema FROM public.tenants",
    });
    expect(variables(stack, ASSET.fleetOperateHandler)).toMatchObject({
      [ENV.fleetName]: "Stack-Fleet",
      [ENV.options]: '{"createSchema":true}',
      [ENV.allowDown]: "false",
    });
    expect(variables(stack, ASSET.fleetEventHandler)).toMatchObject({
      [ENV.fleetName]: "Stack-Fleet",
      [ENV.fleetWait]: "true",
      [ENV.options]: '{"createSchema":true}',
    });
  });

  test("the bucket of results is private, encrypted, for TLS alone, forgets after a year, and outlives the stack", () => {
    const { Properties, DeletionPolicy } = only(stack, "AWS::S3::Bucket");
    expect(DeletionPolicy).toBe("Retain");
    expect(Properties).toMatchObject({
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
      LifecycleConfiguration: {
        Rules: [{ ExpirationInDays: 365, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }],
      },
    });
    const policy = JSON.stringify(only(stack, "AWS::S3::BucketPolicy").Properties);
    expect(policy).toContain('"aws:SecureTransport":"false"');
    expect(policy).toContain('"s3:TlsVersion":1.2');
  });

  test("a deploy begins only when the functions can reach everything and the state machine may run its children", () => {
    const needs = only(stack, RESOURCE).DependsOn?.join("\n") ?? "";
    for (const part of [
      "FleetOperateMachineChildren",
      "FleetOperateMachineRoleDefaultPolicy",
      "DatabaseSecretsManagerEndpoint",
      "DatabaseInstanceSecretAttachment",
    ]) {
      expect(needs).toContain(part);
    }
  });

  test("one alarm looks at failed targets and at executions that failed, were stopped or ran out of time", () => {
    const { Properties } = only(stack, "AWS::CloudWatch::Alarm");
    const text = JSON.stringify(Properties["Metrics"]);
    for (const name of [
      FLEET_METRICS.failed,
      "ExecutionsFailed",
      "ExecutionsAborted",
      "ExecutionsTimedOut",
    ]) {
      expect(text).toContain(`"MetricName":"${name}"`);
    }
    expect(text).toContain('{"Name":"Fleet","Value":"Stack-Fleet"}');
    expect(Properties["TreatMissingData"]).toBe("notBreaching");
  });
});

test("the same props give the same template, in which no path of this machine is", () => {
  const template = () => JSON.stringify(resourcesOf(stackWithFleet()));
  const first = template();
  expect(template()).toBe(first);
  expect(first).not.toContain(process.cwd());
});

test("the asset of a fleet has the handlers of fleets, which one database does not need", () => {
  const app = newApp();
  const stack = new Stack(app, "Stack");
  addFleet(stack);
  const { directory } = app.synth();
  const handlers = readdirSync(directory, { recursive: true }).map(String);
  const wanted = [ASSET.fleetOperateHandler, ASSET.fleetPrepareHandler].map((handler) =>
    handler.replace(/\..*/, ".mjs"),
  );
  for (const file of wanted) expect(handlers.some((path) => path.endsWith(`/${file}`))).toBe(true);
});

test("a list of targets is in the definitions, and the custom resource changes when it does", () => {
  const of = (schema: string) =>
    stackWithFleet({ targets: FleetTargets.list([{ schema }, { schema: "globex" }]) });
  const [acme, initech] = [of("acme"), of("initech")];
  expect(machine(acme, "OperateMachine").Properties["DefinitionString"]).toContain('"schema": "acme"');
  const described = (stack: Stack) => String(only(stack, RESOURCE).Properties["Targets"]);
  expect(described(acme)).toMatch(/^list of 2: [0-9a-f]{16}$/);
  expect(described(acme)).not.toBe(described(initech));
  expect(described(acme)).toBe(described(of("acme")));
});

test("approval, pause, canary and limits are settings of the state machine that changes databases alone", () => {
  const stack = newStack();
  addFleet(stack, {
    approvalTopic: new sns.Topic(stack, "Approvals"),
    approvalTimeout: Duration.hours(2),
    ...{ waitForFleet: false, pause: Duration.hours(1), canary: ["acme"], allowDown: true },
    ...{ maxConcurrency: 100, maxConcurrencyPerServer: 25, toleratedFailures: 3 },
  });
  const definition = (id: string) => JSON.parse(machine(stack, id).Properties["DefinitionString"]);
  const settings = (id: string) => definition(id).States.Prepare.Parameters.Payload.fleet;
  const limits = {
    ...{ maxConcurrency: 100, maxConcurrencyPerServer: 25, toleratedFailures: 3, allowDown: true },
    canary: ["acme"],
  };
  expect(settings("OperateMachine")).toMatchObject({ ...limits, approval: true, pauseSeconds: 3_600 });
  expect(settings("StatusMachine")).toMatchObject({ ...limits, approval: false, pauseSeconds: 0 });
  expect(JSON.stringify(definition("OperateMachine"))).toContain('"TimeoutSeconds":7200');
  expect(JSON.stringify(definition("StatusMachine"))).not.toContain("waitForTaskToken");
  expect(variables(stack, ASSET.fleetEventHandler)[ENV.fleetWait]).toBe("false");
});

describe("the way to other servers", () => {
  test("rules allow the functions to connect to the servers that are given, on the port of each, before a deploy begins", () => {
    const stack = newStack();
    addFleet(stack, { servers: [ec2.Peer.ipv4("10.1.0.0/16"), importedGroup(stack)] });
    const rules = egress(stack).map(({ CidrIp, DestinationSecurityGroupId, FromPort }) => [
      CidrIp ?? plain(DestinationSecurityGroupId),
      FromPort,
    ]);
    expect(rules).toContainEqual(["10.1.0.0/16", 5432]);
    expect(rules).toContainEqual(["sg-0123456789abcdef0", 5432]);
    expect(only(stack, RESOURCE).DependsOn?.join("\n")).toContain("GroupfromStackFleet");
  });

  test("without servers they reach the fleet's own database and Secrets Manager only", () => {
    const ports = egress(stackWithFleet()).map(({ FromPort }) => plain(FromPort));
    expect(ports.toSorted()).toEqual(["443", "<DatabaseInstance.Endpoint.Port>"].toSorted());
  });

  test("with tokens of IAM authentication, secrets of targets still need a way to Secrets Manager", () => {
    const withTargets = (targets: FleetTargets) => {
      const stack = newStack();
      const database = { host: "db.example.com", resourceId: "db-ABC123" };
      const login = { authentication: "iam", username: "migrator", databaseName: "shop" } as const;
      addFleet(stack, { ...login, database, vpc: makeVpc(stack), targets });
      return egress(stack).map(({ FromPort }) => FromPort);
    };
    expect(withTargets(FleetTargets.list([{ schema: "acme" }]))).toEqual([5432]);
    expect(withTargets(FleetTargets.secretsByTag({ key: "fleet", value: "shop" }))).toEqual([5432, 443]);
  });
});

test("with RemovalPolicy.DESTROY the results go with the stack", () => {
  const stack = stackWithFleet({
    resultsRemovalPolicy: RemovalPolicy.DESTROY,
    resultsRetention: Duration.days(30),
  });
  const { DeletionPolicy, Properties } = only(stack, "AWS::S3::Bucket");
  expect(DeletionPolicy).toBe("Delete");
  expect(Properties["LifecycleConfiguration"].Rules[0].ExpirationInDays).toBe(30);
  only(stack, "Custom::S3AutoDeleteObjects");
});

test("constructs can wait for the fleet, and read what became of it", () => {
  const stack = newStack();
  const topic = new sns.Topic(stack, "After");
  const fleet = addFleet(stack, { executeBefore: [topic], alarmTopic: new sns.Topic(stack, "Alarms") });
  const { id } = only(stack, RESOURCE);
  const after = resourcesOf(stack, "AWS::SNS::Topic").find((one) => one.id.startsWith("After"));
  expect(after?.DependsOn).toContain(id);
  const { execution, done, failed, untouched, head } = fleet;
  expect(
    Object.values({ execution, done, failed, untouched, head }).map((value) => stack.resolve(value)),
  ).toEqual(
    ["Execution", "Done", "Failed", "Untouched", "Head"].map((name) => ({ "Fn::GetAtt": [id, name] })),
  );
  expect(only(stack, "AWS::CloudWatch::Alarm").Properties["AlarmActions"].map(plain)).toEqual(["<Alarms>"]);
});

test("a dashboard shows targets, executions, and the function of a target", () => {
  const stack = newStack();
  addFleet(stack, { fleetName: "tenants" }).addToDashboard(new cloudwatch.Dashboard(stack, "Dashboard"));
  const body = JSON.stringify(only(stack, "AWS::CloudWatch::Dashboard").Properties).replaceAll('\\"', '"');
  expect(body.replaceAll("\\", "").match(/"title":"tenants: [^"]+"/g)).toHaveLength(3);
  for (const name of Object.values(FLEET_METRICS))
    expect(body.replaceAll("\\", "")).toContain(`"${name}","Fleet","tenants"`);
});

test("the name of a fleet is the path of its construct", () => {
  const stack = new Stack(newApp(), "shop-prod");
  expect(addFleet(stack, { secret: importedSecret(stack) }).fleetName).toBe("shop-prod-Fleet");
});
