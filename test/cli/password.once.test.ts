import { createHash } from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { addFiles } from "../support/folders.ts";
import { startTlsServer, type TlsServer } from "../support/tls.ts";
import { type Environment, environmentOf, runCommand, writeProject } from "./command.ts";
import { listenForPassword, type Trick } from "./false-server.ts";

const PROJECT = writeProject({ "1_a.sql": "SELECT 1" });
const PASSWORD = "s3cret-p4ssword";
const SOMEBODY = { DATABASE_NAME: "some_database", DATABASE_USER: "some_user", DATABASE_PASSWORD: PASSWORD };
/** What an md5 request with the salt "salt" would be answered with. */
const MD5 = md5(`${md5(PASSWORD + SOMEBODY.DATABASE_USER)}salt`);

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

const servers: TlsServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop();
});

describe("a process that listens in place of the server", () => {
  const tricks: [Trick, string][] = [
    ["clear text", "TLS_REQUIRED"],
    ["md5", "TLS_REQUIRED"],
    ["clear text after SCRAM", "TLS_REQUIRED"],
    ["SCRAM without a proof", "AUTH"],
  ];

  async function expectSecret(trick: Trick, args: string[], env: Environment, code: string): Promise<void> {
    const { port, received } = await listenForPassword(trick);
    const outcome = await runCommand(PROJECT, args, { ...SOMEBODY, DATABASE_PORT: port, ...env });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`Error ${code}`);
    expect(outcome.stderr).toContain("What to do:");
    expect(received()).toContain(SOMEBODY.DATABASE_USER);
    for (const secret of [PASSWORD, MD5]) {
      expect(received()).not.toContain(secret);
      expect(JSON.stringify(outcome)).not.toContain(secret);
    }
  }

  it.each(tricks)("the process does not get the password by asking for %s, without TLS", (trick, code) =>
    expectSecret(trick, ["status"], { DATABASE_HOST: "127.0.0.1", DATABASE_SSL: "disable" }, code),
  );

  it.each([["up"], ["history"], ["dump"], ["verify"], ["db:psql"]])(
    "the process does not get the password on a loopback address from %s",
    (...args) => expectSecret("clear text", args, { DATABASE_HOST: "localhost" }, "TLS_REQUIRED"),
  );

  it("the process does not get the password of a shadow database", async () => {
    const { port, received } = await listenForPassword("clear text");
    const env = { SHADOW_DATABASE_URL: `postgres://u:${PASSWORD}@127.0.0.1:${port}/d`, ...SOMEBODY };
    const { code, stderr } = await runCommand(PROJECT, ["verify"], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining("Error TLS_REQUIRED")]);
    expect(received()).not.toContain(PASSWORD);
  });
});

describe("psql", () => {
  it("psql is told to refuse the same if another process listens by the time it connects", async () => {
    const server = await startTlsServer();
    servers.push(server);
    addFiles(PROJECT, { "bin/psql": '#!/bin/sh\necho "$PGREQUIREAUTH"\n' });
    chmodSync(join(PROJECT, "bin/psql"), 0o755);
    const env = { ...environmentOf(server.plain), PATH: `${join(PROJECT, "bin")}:${process.env["PATH"]}` };
    const { stdout } = await runCommand(PROJECT, ["db:psql"], env);
    expect(stdout).toBe("!password,!md5\n");
  });
});

describe("a server that asks for the password in clear text", () => {
  it("the server gets it over verified TLS, and only so", async () => {
    const server = await startTlsServer({ method: "password" });
    servers.push(server);
    addFiles(PROJECT, { "ca.pem": server.ca });
    const env = environmentOf(server.connection);
    const safe = await runCommand(PROJECT, ["status"], {
      ...env,
      DATABASE_SSL: "verify-full",
      DATABASE_SSL_CA: "ca.pem",
    });
    expect([safe.code, safe.stderr]).toEqual([0, ""]);
    const plain = await runCommand(PROJECT, ["status"], env);
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining("in clear text")]);
  });
});
