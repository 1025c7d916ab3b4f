import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { ASSET, ENV } from "../../../lambda/contract.ts";
import { buildAssetSync } from "../../../lib/asset/index.ts";
import { type Services, startServices } from "../../aws/cloud/services.ts";
import { secretText } from "../../aws/environment.ts";
import { Secrets } from "../../aws/secrets.ts";
import { writeFolder } from "../../support/folders.ts";
import { startTlsServer, type TlsServer } from "../../support/tls.ts";

export const BUCKET = "fleet-bucket";
export const FLEET_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:fleet-AbCdEf";
const DATABASE = "fleet_functions";

/** The functions of one fleet from its asset, each in a process of its own, with AWS on loopback and a server with TLS. */
export interface FleetFunctions {
  readonly services: Services;
  readonly server: TlsServer;
  readonly secrets: Secrets;
  /** Hash of the migrations. */
  readonly release: string;
  /** User of the fleet's secret, no superuser. */
  readonly owner: string;
  /** Password of that user. */
  readonly password: string;
  readonly database: string;
  /**
   * Invokes a function by its handler.
   * @param environment differs from that of the construct
   * @param timeoutSeconds of the function
   */
  invoke(
    handler: string,
    payload: unknown,
    environment?: Readonly<Record<string, string>>,
    timeoutSeconds?: number,
  ): Promise<{ readonly failed: boolean; readonly payload: unknown }>;
  /** Writes a file for the functions. @returns its path */
  write(name: string, text: string): string;
  /** Runs SQL as a superuser. */
  query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]>;
  close(): Promise<void>;
}

/** Tests that share the functions, because starting a server takes longer than they do. */
export type FleetTests = (opened: () => FleetFunctions) => void;

export async function startFleetFunctions(
  migrations: Readonly<Record<string, string>>,
): Promise<FleetFunctions> {
  const directory = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-fleet-"));
  const secrets = new Secrets();
  const [server, services] = await Promise.all([
    startTlsServer({ required: true }),
    startServices({ secretKey: secrets.make(""), sessionToken: secrets.make("") }),
  ]);
  const { dir, manifest } = buildAssetSync({
    migrationsDir: writeFolder(migrations),
    handlersDir: join(import.meta.dirname, "../../../lambda"),
    functions: "fleet",
  });
  const write = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const caFile = write("ca.pem", server.ca);
  const [owner, password] = ["fleet_owner", secrets.make(`Pa"s's\\w/o@r:d% &$<`)];
  const { host, port, user, password: own } = server.connection;
  const connect = async (database: string) => {
    const client = new pg.Client({ host, port, user, password: own, database, ssl: { ca: server.ca } });
    await client.connect();
    return client;
  };
  const admin = await connect("postgres");
  await admin.query(`CREATE ROLE ${owner} LOGIN CREATEDB PASSWORD ${pg.escapeLiteral(password)}`);
  await admin.query(`CREATE DATABASE ${DATABASE} OWNER ${owner}`);
  await admin.end();
  const client = await connect(DATABASE);
  services.secrets.put(FLEET_SECRET, () => ({ kind: "text", text: secretText(owner, password) }));
  const environment = {
    ...services.everywhere.environment,
    ...{
      [ENV.host]: host,
      [ENV.port]: String(port),
      [ENV.database]: DATABASE,
      [ENV.secretArn]: FLEET_SECRET,
    },
    ...{ [ENV.caFile]: caFile, [ENV.allowDown]: "true", [ENV.fleetName]: "tenants" },
    ...{ [ENV.fleetBucket]: BUCKET, [ENV.fleetPrefix]: "tenants/", [ENV.fleetListFunction]: "list" },
  };
  const install = (handler: string, changes: Readonly<Record<string, string>>, timeoutSeconds = 60) => {
    const name = handler.split(".").at(-1) ?? "";
    return services.lambda.install({
      ...{ name, handler, arn: `arn:aws:lambda:eu-west-1:123456789012:function:${name}` },
      ...{ code: manifest.hash, root: dir, timeoutSeconds, logGroup: `/aws/lambda/${name}` },
      ...{ logFormat: "JSON", logLevel: "INFO", node: process.execPath, nodeOptions: [] },
      environment: { ...environment, ...changes },
    });
  };
  return {
    ...{ services, server, secrets, write, release: manifest.hash, owner, password, database: DATABASE },
    async invoke(handler, payload, changes = {}, timeoutSeconds = 60) {
      if (changes[ENV.fleetQuery] !== undefined) await install(ASSET.fleetListHandler, changes);
      await install(handler, changes, timeoutSeconds);
      const answer = await services.lambda.invoke(handler.split(".").at(-1) ?? "", JSON.stringify(payload));
      return { failed: answer.failed, payload: JSON.parse(answer.payload) };
    },
    async query<Row extends pg.QueryResultRow>(sql: string) {
      return (await client.query<Row>(sql)).rows;
    },
    async close() {
      await client.end();
      await services.close();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
