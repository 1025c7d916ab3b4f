import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { type RequestOptions, request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import * as v from "valibot";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { SERVER_SETTINGS } from "./server-settings.ts";

const PORT = 5432;
const USER = "framework_user";
const SOCKETS = ["/var/run/docker.sock", join(homedir(), ".docker/run/docker.sock")];

const Container = v.object({ id: v.string(), host: v.string(), port: v.number(), password: v.string() });
type Container = v.InferOutput<typeof Container>;

/** Whether a Docker engine answers, and nothing says that it is not wanted. */
export async function wantsDocker(): Promise<boolean> {
  const { TEST_DATABASE } = process.env;
  if (TEST_DATABASE === "embedded") return false;
  return isDockerForced() || (await engineAnswers());
}

export function isDockerForced(): boolean {
  const { TEST_DATABASE } = process.env;
  return TEST_DATABASE === "docker";
}

/** The container that another test file has started. */
export async function findContainer(directory: string): Promise<ConnectionSettings | undefined> {
  const container = await readContainer(directory);
  if (container === undefined) return undefined;
  const connection = connectionTo(container);
  const client = new pg.Client({ ...connection, ssl: false, connectionTimeoutMillis: 2_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return connection;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function startContainer(directory: string, major: number): Promise<ConnectionSettings> {
  // Loaded late: it takes half a second, and most test files find a server.
  const { GenericContainer, Wait } = await import("testcontainers");
  const password = randomBytes(12).toString("hex");
  const settings = Object.entries(SERVER_SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const started = await new GenericContainer(`postgres:${major}`)
    .withEnvironment({ POSTGRES_USER: USER, POSTGRES_PASSWORD: password, POSTGRES_DB: "postgres" })
    .withCommand(["postgres", ...settings])
    .withExposedPorts(PORT)
    // Over TCP: while the image sets itself up, its server listens on a socket only.
    .withWaitStrategy(Wait.forSuccessfulCommand(`pg_isready -h 127.0.0.1 -U ${USER}`))
    .start();
  const container = {
    id: started.getId(),
    host: started.getHost(),
    port: started.getMappedPort(PORT),
    password,
  };
  await writeFile(stateFile(directory), JSON.stringify(container), { mode: 0o600 });
  return connectionTo(container);
}

export async function removeContainer(directory: string): Promise<void> {
  const container = await readContainer(directory);
  if (container === undefined) return;
  await rm(stateFile(directory), { force: true });
  const { getContainerRuntimeClient } = await import("testcontainers");
  const { container: containers } = await getContainerRuntimeClient();
  try {
    await containers.getById(container.id).remove({ force: true, v: true });
  } catch {
    // Ryuk was faster.
  }
}

function connectionTo({ host, port, password }: Container): ConnectionSettings {
  return { host, port, database: "postgres", user: USER, password, tls: { mode: "disable" } };
}

async function readContainer(directory: string): Promise<Container | undefined> {
  if (!existsSync(stateFile(directory))) return undefined;
  return v.parse(Container, JSON.parse(await readFile(stateFile(directory), "utf8")));
}

function stateFile(directory: string): string {
  return join(directory, "container.json");
}

function engineAnswers(): Promise<boolean> {
  const engine = engineAddress();
  if (engine === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const ping = request({ ...engine, path: "/_ping", timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    ping.end();
  });
}

function engineAddress(): RequestOptions | undefined {
  const { DOCKER_HOST } = process.env;
  if (DOCKER_HOST === undefined) {
    const socketPath = SOCKETS.find((path) => existsSync(path));
    return socketPath === undefined ? undefined : { socketPath };
  }
  const url = new URL(DOCKER_HOST);
  if (url.protocol === "unix:") return { socketPath: url.pathname };
  return { host: url.hostname, port: url.port || 2375 };
}
