import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeAuthority, makeCertificate } from "../../support/tls.ts";
import { LambdaService } from "../lambda/service.ts";
import { Recorder } from "../recorder.ts";
import { CloudFormation } from "./cloudformation.ts";
import { Rds } from "./rds.ts";
import { ResponseServer } from "./response-server.ts";
import { S3 } from "./s3.ts";
import { SecretsManager } from "./secrets.ts";
import { StepFunctions } from "./step-functions.ts";

const NODE_MODULES = fileURLToPath(new URL("../../../node_modules", import.meta.url));
const RESPONSE_PORT = fileURLToPath(new URL("../lambda/response-port.cjs", import.meta.url));

/** What a function finds around it because of the service and not of the template. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeOptions: readonly string[];
}

/** AWS on loopback: as much of it as the stack needs. */
export interface Services {
  readonly lambda: LambdaService;
  readonly secrets: SecretsManager;
  readonly cloudFormation: CloudFormation;
  readonly rds: Rds;
  readonly s3: S3;
  readonly stepFunctions: StepFunctions;
  readonly responses: ResponseServer;
  readonly recorder: Recorder;
  /** Of every function. */
  readonly everywhere: Surroundings;
  /** Of the provider framework: the runtime's AWS SDK, and the way to CloudFormation's bucket. */
  readonly framework: Surroundings;
  close(): Promise<void>;
}

/** @param credentials made-up keys; nothing checks them, and nobody may log them */
export async function startServices(credentials: {
  readonly secretKey: string;
  readonly sessionToken: string;
}): Promise<Services> {
  const directory = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-aws-"));
  const recorder = new Recorder();
  const lambda = new LambdaService(recorder);
  const secrets = new SecretsManager();
  const cloudFormation = new CloudFormation();
  const rds = new Rds();
  const s3 = new S3();
  const stepFunctions = new StepFunctions(lambda, s3, recorder);
  const responses = new ResponseServer(recorder);
  const authority = await makeAuthority();
  const port = await responses.start(await makeCertificate(authority));
  writeFileSync(join(directory, "bucket.pem"), authority.cert);
  const sfnAddress = await stepFunctions.start();
  return {
    ...{ lambda, secrets, cloudFormation, rds, s3, stepFunctions, responses, recorder },
    everywhere: {
      environment: {
        AWS_REGION: "eu-west-1",
        AWS_DEFAULT_REGION: "eu-west-1",
        AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
        AWS_SECRET_ACCESS_KEY: credentials.secretKey,
        AWS_SESSION_TOKEN: credentials.sessionToken,
        AWS_CONFIG_FILE: join(directory, "absent"),
        AWS_SHARED_CREDENTIALS_FILE: join(directory, "absent"),
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_ENDPOINT_URL_LAMBDA: await lambda.start(),
        AWS_ENDPOINT_URL_SECRETS_MANAGER: await secrets.start(),
        AWS_ENDPOINT_URL_CLOUDFORMATION: await cloudFormation.start(),
        AWS_ENDPOINT_URL_RDS: await rds.start(),
        AWS_ENDPOINT_URL_S3: await s3.start(),
        AWS_ENDPOINT_URL_SFN: sfnAddress,
      },
      nodeOptions: [],
    },
    framework: {
      environment: {
        NODE_PATH: [NODE_MODULES, writeStepFunctions(directory)].join(delimiter),
        NODE_EXTRA_CA_CERTS: join(directory, "bucket.pem"),
        RESPONSE_PORT: String(port),
        STEP_FUNCTIONS: sfnAddress,
      },
      nodeOptions: ["--require", RESPONSE_PORT],
    },
    async close() {
      await lambda.close();
      const others = [secrets, cloudFormation, rds, s3, stepFunctions, responses];
      await Promise.all(others.map((service) => service.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The runtime's client of Step Functions, which is not installed here. */
const CLIENT = `exports.SFN = class {
  async startExecution(input) {
    const headers = { "x-amz-target": "AWSStepFunctions.StartExecution" };
    const answer = await fetch(process.env.STEP_FUNCTIONS, { method: "POST", headers, body: JSON.stringify(input) });
    if (!answer.ok) throw new Error(await answer.text());
  }
};
`;

function writeStepFunctions(directory: string): string {
  const file = join(directory, "modules/@aws-sdk/client-sfn/index.js");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, CLIENT);
  return join(directory, "modules");
}
