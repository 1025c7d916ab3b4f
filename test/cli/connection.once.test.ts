import { afterAll, beforeAll, describe, expect, it, test } from "@jest/globals";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { startTlsServer, type TlsServer } from "../support/tls.ts";
import {
  environmentOf,
  jsonOf,
  type Outcome,
  runCommand,
  runInOwnProcess,
  startCommand,
  until,
  writeProject,
} from "./command.ts";
import {
  KEINE_VERSCHLUESSELUNG,
  listen,
  listenAsVersion,
  pipeTo,
  ROLE_MAY_NOT_LOG_IN,
  STARTING_UP,
} from "./false-server.ts";

const PROJECT = writeProject({ "1_a.sql": "SELECT 1" });
const PASSWORD = "s3cret-p4ssword";
const SOMEBODY = {
  DATABASE_HOST: "127.0.0.1",
  DATABASE_NAME: "some_database",
  DATABASE_USER: "some_user",
  DATABASE_PASSWORD: PASSWORD,
};

const servers: TlsServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop();
});

/** Fails with this code, for people and as JSON; whoever reads it learns where, and nobody the password. */
async function expectFailure(env: Record<string, string>, code: string): Promise<Outcome> {
  const [text, json] = [
    await runCommand(PROJECT, ["status"], env),
    await runCommand(PROJECT, ["up", "--json"], env),
  ];
  expect([text.code, json.code]).toEqual([1, 1]);
  expect(text.stderr).toContain(`Error ${code}`);
  expect(text.stderr).toContain("What to do:");
  expect(jsonOf(json)).toMatchObject({ ok: false, error: { code, hint: expect.any(String) } });
  for (const name of ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER"]) {
    expect(text.stderr).toContain(env[name]);
    expect(json.stdout).toContain(env[name]);
  }
  expect(JSON.stringify([text, json])).not.toContain(env["DATABASE_PASSWORD"]);
  return text;
}

/** Asks a server that takes the connection and says nothing. */
async function askInVain(): Promise<Outcome & { readonly port: string; readonly milliseconds: number }> {
  const port = await listen(() => undefined);
  const startedAt = Date.now();
  const outcome = await runInOwnProcess(PROJECT, ["status"], { ...SOMEBODY, DATABASE_PORT: port });
  return { ...outcome, port, milliseconds: Date.now() - startedAt };
}

let unanswered: ReturnType<typeof askInVain>;
// Begun before all the tests, and looked at after them: it waits meanwhile.
beforeAll(() => {
  unanswered = askInVain();
});

describe("a connection that fails", () => {
  it("the error of a refused connection says how to start a database, except in CI", async () => {
    const env = { ...SOMEBODY, DATABASE_PORT: "1" };
    const { stderr } = await expectFailure(env, "CONNECTION");
    expect(stderr).toContain("connection refused (some_user@127.0.0.1:1/some_database)");
    expect(stderr).toContain("`npm run migrate:up -- --local` uses the embedded Postgres");
    expect(stderr).not.toContain("docker");
    expect((await expectFailure({ ...env, CI: "1" }, "CONNECTION")).stderr).not.toContain("--local");
    const composed = writeProject({ "1_a.sql": "SELECT 1" });
    addFiles(composed, { "docker-compose.yml": "services: {}" });
    const { stderr: withDocker } = await runCommand(composed, ["status"], env);
    expect(withDocker).toContain("docker compose up -d --wait postgres");
  });

  it("a wrong password fails with AUTH and names the setting", () =>
    withDatabase(async ({ connection }) => {
      const env = { ...environmentOf(connection), DATABASE_PASSWORD: PASSWORD };
      const { stderr } = await expectFailure(env, "AUTH");
      expect(stderr).toContain("(SQLSTATE 28P01)");
      expect(stderr).toContain("DATABASE_PASSWORD");
    }));

  it("an unknown user fails with AUTH", () =>
    withDatabase(async ({ connection }) => {
      await expectFailure({ ...environmentOf(connection), DATABASE_USER: "nobody_here" }, "AUTH");
    }));

  it("a missing password fails with AUTH and names the setting", () =>
    withDatabase(async ({ connection }) => {
      const { host, port, user, database } = connection;
      const url = `postgres://${user}@${host}:${port}/${database}`;
      const { code, stderr } = await runCommand(PROJECT, ["status"], { DATABASE_URL: url });
      expect([code, stderr]).toEqual([1, expect.stringContaining("Error AUTH")]);
      expect(stderr).toContain("asks for a password, and none is set");
      expect(stderr).toContain("Write it into DATABASE_URL");
    }));

  it("a missing database fails with DATABASE_NOT_FOUND and its name", () =>
    withDatabase(async ({ connection }) => {
      const env = { ...environmentOf(connection), DATABASE_NAME: "not_there" };
      const { stderr } = await expectFailure(env, "DATABASE_NOT_FOUND");
      expect(stderr).toContain('database "not_there" does not exist');
    }));

  it("a server without TLS fails with TLS_UNAVAILABLE where TLS is required", () =>
    withDatabase(async ({ connection }) => {
      await expectFailure({ ...environmentOf(connection), DATABASE_SSL: "verify-full" }, "TLS_UNAVAILABLE");
    }));

  it("a host without a network path is reported with its address", async () => {
    // A documentation address of IPv6, which nothing routes; where there is a route it is not answered in time.
    const env = { ...SOMEBODY, DATABASE_HOST: "2001:db8::1", DATABASE_PORT: "5432", DATABASE_SSL: "disable" };
    const { stderr } = await runCommand(PROJECT, ["status"], env);
    expect(stderr).toContain("(some_user@[2001:db8::1]:5432/some_database)");
    expect(stderr).not.toContain("Local (");
  });

  it("a missing socket is reported with its folder and port", async () => {
    const env = { ...SOMEBODY, DATABASE_HOST: "/nowhere", DATABASE_PORT: "5432" };
    const { stderr } = await expectFailure(env, "CONNECTION");
    expect(stderr).toContain("there is no socket of a server in /nowhere for port 5432");
  });

  it("a host name that cannot be resolved is reported", async () => {
    const env = { ...SOMEBODY, DATABASE_HOST: "no-such-host.invalid", DATABASE_PORT: "5432" };
    const { stderr } = await expectFailure(env, "CONNECTION");
    expect(stderr).toContain('host name "no-such-host.invalid" cannot be resolved');
  });

  it.each([
    [KEINE_VERSCHLUESSELUNG, "TLS_REQUIRED"],
    [ROLE_MAY_NOT_LOG_IN, "AUTH"],
  ])("a refusal in the server's own language gets the right code (%#)", async (refusal, code) => {
    const port = await listen((socket) => socket.once("data", () => socket.end(refusal)));
    await expectFailure({ ...SOMEBODY, DATABASE_PORT: port }, code);
  });

  it("a server older than 14 is refused with SERVER_UNSUPPORTED", () =>
    withDatabase(async ({ connection }) => {
      const port = await listenAsVersion("13", connection);
      const env = { ...environmentOf(connection), DATABASE_HOST: "127.0.0.1", DATABASE_PORT: port };
      const { code, stderr } = await runCommand(PROJECT, ["up"], env);
      expect([code, stderr]).toEqual([1, expect.stringContaining("Error SERVER_UNSUPPORTED")]);
      expect(stderr).toContain("the server is Postgres 13; 14 or newer is needed");
      expect(stderr).toContain("What to do: Upgrade the server");
    }));

  it("a server that is not Postgres fails with CONNECTION", async () => {
    const port = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expectFailure({ ...SOMEBODY, DATABASE_PORT: port }, "CONNECTION");
  });
});

describe("a server that is starting up", () => {
  it("a command waits for a server that is starting up, and says so", () =>
    withDatabase(async ({ connection }) => {
      let answers = 0;
      const port = await listen((socket) => {
        answers += 1;
        if (answers > 3) pipeTo(connection, socket);
        else socket.once("data", () => socket.end(STARTING_UP));
      });
      const env = { ...environmentOf(connection), DATABASE_PORT: port };
      const { code, stdout } = await runCommand(PROJECT, ["up"], env);
      expect(code).toBe(0);
      expect(stdout).toContain("waiting for the server: the database system is starting up");
      expect(stdout).toContain("Applied 1 migration");
    }));

  it("a command stops waiting when the user cancels", async () => {
    const port = await listen((socket) => socket.once("data", () => socket.end(STARTING_UP)));
    const command = startCommand(PROJECT, ["up"], { ...SOMEBODY, DATABASE_PORT: port });
    await until(() => command.output().includes("waiting for the server"), "the wait");
    command.send("SIGINT");
    const { code, stderr } = await command.ended;
    expect(code).toBe(130);
    expect(stderr).toContain("No migration was running");
  });
});

describe("TLS", () => {
  let required: TlsServer;
  let elsewhere: TlsServer;

  const envOf = (settings: ConnectionSettings) => ({
    ...environmentOf(settings),
    DATABASE_SSL: "verify-full",
  });

  it("TLS works with the right certificate authority", async () => {
    required = await startTlsServer({ required: true });
    servers.push(required);
    addFiles(PROJECT, { "ca.pem": required.ca, "other.pem": required.otherCa });
    const { code, stdout } = await runCommand(PROJECT, ["status"], {
      ...envOf(required.connection),
      DATABASE_SSL_CA: "ca.pem",
    });
    expect([code, stdout]).toEqual([0, expect.stringContaining("1 pending")]);
  });

  it("a connection without TLS to a server that requires it fails with TLS_REQUIRED", async () => {
    const { stderr } = await expectFailure(environmentOf(required.plain), "TLS_REQUIRED");
    expect(stderr).toContain("DATABASE_SSL=verify-full");
  });

  test.each(["other.pem", ""])(
    "a certificate authority that is not trusted is refused (%p)",
    async (DATABASE_SSL_CA) => {
      const { stderr } = await expectFailure(
        { ...envOf(required.connection), DATABASE_SSL_CA },
        "TLS_UNTRUSTED",
      );
      expect(stderr).toContain("Set DATABASE_SSL_CA");
    },
  );

  it("a certificate for another host is refused", async () => {
    elsewhere = await startTlsServer({ certifiedFor: "elsewhere.example" });
    servers.push(elsewhere);
    addFiles(PROJECT, { "elsewhere.pem": elsewhere.ca });
    const env = { ...envOf(elsewhere.connection), DATABASE_SSL_CA: "elsewhere.pem" };
    const { stderr } = await expectFailure(env, "TLS_UNTRUSTED");
    expect(stderr).toContain("Connect with the host name the certificate was issued for");
  });
});

test("a command gives up after ten seconds on a server that never answers", async () => {
  const { code, stderr, port, milliseconds } = await unanswered;
  expect(code).toBe(1);
  expect(stderr).toContain(`no answer in time (some_user@127.0.0.1:${port}/some_database)`);
  expect(stderr).toContain("firewall");
  expect(milliseconds).toBeLessThan(30_000);
});
