import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ENV } from "../../lambda/contract.ts";
import { writeFolder } from "../support/folders.ts";
import { startTlsServer, type TlsServer } from "../support/tls.ts";
import type { Changes } from "./cloud/functions.ts";
import { DATABASE_NAME } from "./cloud/physical-names.ts";
import type { SecretAnswer } from "./cloud/secrets.ts";
import { type Services, startServices } from "./cloud/services.ts";
import { Stack } from "./cloud/stack.ts";
import type { Assembly } from "./cloud/template.ts";
import { createOwnedDatabase, type OwnedDatabase } from "./database.ts";
import { Secrets } from "./secrets.ts";
import type { FleetRequest } from "./synth/fleet.ts";
import type { StackRequest } from "./synth/program.ts";
import type { ProjectRequest } from "./synth/project.ts";
import { Synthesizer } from "./synth/synthesizer.ts";

const SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:database-AbCdEf";

export type Migrations = Readonly<Record<string, string>>;
export type ProjectOptions = Omit<ProjectRequest, "kind" | "migrationsDir">;
export type FleetOptions = Omit<FleetRequest, "kind" | "migrationsDir">;

/** One stack with a database and a secret of its own. */
export interface Deployment {
  readonly stack: Stack;
  readonly db: OwnedDatabase;
  readonly secretArn: string;
  /** What Secrets Manager says when everything is right. */
  readonly secret: SecretAnswer;
}

export interface DeploymentOptions extends Changes {
  readonly host?: string;
  readonly port?: number;
  /** @default - the one that `deployable` names */
  readonly database?: string;
  /** @default - a file with the one of the database */
  readonly ca?: "other" | "absent" | "of the asset";
}

/** What a test file of this folder shares: AWS on loopback, a server with TLS, the secrets made up for both. */
export interface AwsEnvironment {
  readonly services: Services;
  readonly server: TlsServer;
  readonly secrets: Secrets;
  /** What `cdk synth` makes of these migrations; made once. */
  deployable(migrations: Migrations, options?: ProjectOptions): Promise<Assembly>;
  /** What it makes of a fleet with these migrations; made once. */
  fleet(migrations: Migrations, options?: FleetOptions): Promise<Assembly>;
  /** What it makes of any other stack. */
  synth(stack: StackRequest): Promise<Assembly>;
  withStack(options: DeploymentOptions, play: (deployment: Deployment) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export type Scenarios = (aws: () => AwsEnvironment) => void;

/**
 * Runs scenarios in one environment, because starting it takes longer than they do. The last test looks for secrets in
 * everything that the functions logged and answered in all of them.
 */
export function runScenarios(...scenarios: readonly Scenarios[]): void {
  let aws: AwsEnvironment | undefined;
  const opened = (): AwsEnvironment => {
    if (aws === undefined) throw new Error("the environment is not open");
    return aws;
  };
  beforeAll(async () => {
    aws = await openEnvironment();
  });
  afterAll(() => aws?.close());
  for (const add of scenarios) add(opened);

  test("nothing that was logged, answered or thrown in all of this holds a secret", () => {
    const { services, secrets } = opened();
    const { emissions } = services.recorder;
    const kinds = new Set(emissions.map(({ kind }) => kind));
    expect([...kinds]).toEqual(expect.arrayContaining(["log", "answer", "response"]));
    const objects = services.s3.contents.map(
      ({ name, text }) => ({ source: name, kind: "answer", text }) as const,
    );
    expect(secrets.foundIn([...emissions, ...objects])).toEqual([]);
  });
}

/** A stack that lacks the folder of its migrations. */
type Made = Omit<ProjectRequest, "migrationsDir"> | Omit<FleetRequest, "migrationsDir">;

async function openEnvironment(): Promise<AwsEnvironment> {
  const directory = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-proof-"));
  const secrets = new Secrets();
  const [server, services] = await Promise.all([
    startTlsServer({ required: true }),
    startServices({ secretKey: secrets.make(""), sessionToken: secrets.make("") }),
  ]);
  const synthesizer = new Synthesizer();
  const caFiles = { own: join(directory, "ca.pem"), other: join(directory, "other.pem") };
  writeFileSync(caFiles.own, server.ca);
  writeFileSync(caFiles.other, server.otherCa);
  const made = new Map<string, Promise<Assembly>>();
  const once = (migrations: Migrations, request: Made) => {
    const key = JSON.stringify([migrations, request]);
    const assembly =
      made.get(key) ?? synthesizer.synth({ ...request, migrationsDir: writeFolder(migrations) });
    made.set(key, assembly);
    return assembly;
  };
  return {
    ...{ services, server, secrets },
    deployable: (migrations, options = {}) =>
      once(migrations, { kind: "project", onRollback: "keep", order: "strict", ...options }),
    fleet: (migrations, options = {}) => once(migrations, { kind: "fleet", ...options }),
    synth: (stack) => synthesizer.synth(stack),
    async withStack({ host, port, ca, database = DATABASE_NAME, ...changes }, play) {
      const password = secrets.make(`Pa"s's\\w/o@r:d% &$<`);
      const db = await createOwnedDatabase(server, database, password);
      const secret: SecretAnswer = { kind: "text", text: secretText(db.owner, db.password) };
      services.secrets.put(SECRET_ARN, () => secret);
      const caFile = ca === "absent" ? join(directory, "absent.pem") : caFiles[ca === "other" ? ca : "own"];
      const { connection } = server;
      const stack = new Stack(services, {
        ...changes,
        outside: { host: host ?? connection.host, port: port ?? connection.port, secretArn: SECRET_ARN },
        signature: secrets.make(""),
        environment: {
          ...(ca === "of the asset" ? {} : { [ENV.caFile]: caFile }),
          ...changes.environment,
        },
      });
      const before = services.recorder.emissions.length;
      try {
        await play({ stack, db, secretArn: SECRET_ARN, secret });
      } catch (error) {
        const lines = services.recorder
          .since(before)
          .filter(({ source, kind }) => kind !== "history" && !source.includes("framework"));
        process.stderr.write(`${lines.map(({ source, text }) => `${source}: ${text}`).join("\n")}\n`);
        throw error;
      } finally {
        await services.stepFunctions.stopAll();
        await db.close();
      }
    },
    async close() {
      synthesizer.close();
      await services.close();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** As RDS writes it; only user and password are to be used. */
export function secretText(username: string, password: string): string {
  const misleading = { engine: "postgres", host: "another.example", port: 1, dbname: "another" };
  return JSON.stringify({ ...misleading, username, password });
}
