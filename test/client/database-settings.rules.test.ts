import { describe, expect, it, test } from "@jest/globals";
import { readDatabaseSettings } from "../../lib/client/index.ts";
import { MigrationError } from "../../lib/core/index.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { writeFolder } from "../support/folders.ts";

type Values = Record<string, string>;

const DEFAULT: ConnectionSettings = {
  host: "localhost",
  port: 5432,
  database: "aws_framework",
  user: "framework_user",
  password: "framework_password",
  tls: { mode: "disable" },
};

function read(environment: Values, dotEnv: Values = {}, cwd = "/"): ConnectionSettings {
  const { fromUrl: _, ...connection } = readDatabaseSettings({ environment, dotEnv }, cwd).connection;
  return connection;
}

function refusalOf(environment: Values, dotEnv: Values = {}, cwd = "/"): MigrationError {
  try {
    read(environment, dotEnv, cwd);
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error("it was expected to be refused");
}

describe("the same user on another server", () => {
  const far = { host: "db.example.com", port: 6000, database: "other" };
  const near = { host: "127.0.0.1", port: 6000, database: "other" };

  test.each<[string, Values, typeof far, string]>([
    ["another machine has TLS though this one has none", {}, far, "verify-full"],
    ["this machine has none", {}, near, "disable"],
    ["TLS that is switched off stays off", { DATABASE_SSL: "disable" }, far, "disable"],
    ["TLS that is switched on stays on", { DATABASE_SSL: "verify-full" }, near, "verify-full"],
    [
      "a URL decides for every server",
      { DATABASE_URL: "postgres://u:p@h/d?sslmode=disable" },
      far,
      "disable",
    ],
  ])("%s", (_, environment, place, mode) => {
    const settings = readDatabaseSettings({ environment, dotEnv: {} }, "/");
    expect(settings.connectionTo(place)).toMatchObject({
      ...place,
      user: settings.connection.user,
      tls: { mode },
    });
  });

  test("nothing but the place of a target is taken over", () => {
    const target = { ...far, user: "somebody", name: "x", secret: "y" };
    const { connection, connectionTo } = readDatabaseSettings({ environment: {}, dotEnv: {} }, "/");
    expect(Object.keys(connectionTo(target)).toSorted()).toEqual(Object.keys(connection).toSorted());
    expect(connectionTo(target).user).toBe(connection.user);
  });
});

describe("the parts", () => {
  test.each<[string, Values, Values, Partial<ConnectionSettings>]>([
    ["nothing is set", {}, {}, {}],
    [
      "the environment",
      { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: "1" },
      {},
      { host: "127.0.0.1", port: 1 },
    ],
    [".env", {}, { DATABASE_NAME: "n", DATABASE_USER: "u" }, { database: "n", user: "u" }],
    [
      "both: the environment wins",
      { DATABASE_USER: "e" },
      { DATABASE_USER: "d", DATABASE_PASSWORD: "p" },
      { user: "e", password: "p" },
    ],
    ["the highest port", { DATABASE_PORT: "65535" }, {}, { port: 65535 }],
  ])("%s", (_, environment, dotEnv, expected) => {
    expect(read(environment, dotEnv)).toEqual({ ...DEFAULT, ...expected });
  });

  test.each(["0", "65536", "-1", "5432x", "5e3", " 5432", "1.5"])("port %p is refused", (port) => {
    expect(refusalOf({ DATABASE_PORT: port })).toMatchObject({
      code: "USAGE",
      message: `DATABASE_PORT must be a number from 1 to 65535, not "${port}"`,
    });
  });
});

describe("the host", () => {
  test.each([
    ["[::1]", "::1"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["/tmp", "/tmp"],
  ])("%s is %s", (text, host) => {
    expect(read({ DATABASE_HOST: text }).host).toBe(host);
  });

  test.each([
    ["localhost:5433", /holds a port: "localhost:5433"/, /DATABASE_HOST=localhost and DATABASE_PORT=5433/],
    ["[::1]:5433", /holds a port/, /DATABASE_HOST=\[::1\] and DATABASE_PORT=5433/],
    ["postgres://u:s3cret@h/d", /holds more than a host name$/, /DATABASE_URL/],
    ["u:s3cret@h", /holds more than a host name$/, /DATABASE_URL/],
  ])("%s is refused", (host, message, hint) => {
    const error = refusalOf({ DATABASE_HOST: host });
    expect(error).toMatchObject({ code: "USAGE", message: expect.stringMatching(message) });
    expect(error.details.hint).toMatch(hint);
    expect(error.message).not.toContain("s3cret");
  });
});

describe("the URL", () => {
  test.each<[string, Partial<ConnectionSettings>]>([
    ["postgres://u:p@127.0.0.1:1/d", { host: "127.0.0.1", port: 1, user: "u", password: "p", database: "d" }],
    ["postgresql://u@localhost", { user: "u", password: "" }],
    ["postgres://localhost/d", { database: "d", password: "" }],
    ["postgres:///d", { database: "d", password: "" }],
    [
      "postgres://u%40x:p%2F%3F%23%40%25@localhost/d%2Fe",
      { user: "u@x", password: "p/?#@%", database: "d/e" },
    ],
    ["postgres://u:p@ss@localhost/d", { user: "u", password: "p@ss", database: "d" }],
    ["postgres://u:ü@localhost/d", { user: "u", password: "ü", database: "d" }],
    ["postgres://u:p@[::1]:6/d", { host: "::1", port: 6, user: "u", password: "p", database: "d" }],
    [
      "postgres:///d?host=/var/run/postgresql&port=5433",
      { host: "/var/run/postgresql", port: 5433, database: "d", password: "" },
    ],
    [
      "postgres://u:p@db.example/d?sslmode=require&channel_binding=require&application_name=x&connect_timeout=5",
      {
        host: "db.example",
        user: "u",
        password: "p",
        database: "d",
        tls: { mode: "verify-full" },
        connectTimeoutMs: 5000,
      },
    ],
    [
      "postgres://u:p@localhost/d?sslmode=verify-ca&connect_timeout=0&target_session_attrs=read-write",
      { user: "u", password: "p", database: "d", tls: { mode: "verify-full" } },
    ],
    [
      "postgres://u:p@db.example/d?sslrootcert=system",
      { host: "db.example", user: "u", password: "p", database: "d", tls: { mode: "verify-full" } },
    ],
    [
      "postgres://u:p@localhost/d?sslmode=verify-full",
      { user: "u", password: "p", database: "d", tls: { mode: "verify-full" } },
    ],
    [
      "postgres://u:p@db.example/d?sslmode=disable",
      { host: "db.example", user: "u", password: "p", database: "d" },
    ],
  ])("%s", (url, expected) => {
    expect(read({ DATABASE_URL: url })).toEqual({ ...DEFAULT, ...expected });
  });

  test.each<[string, RegExp]>([
    ["mysql://u:s3cret@h/d", /must begin with postgres:/],
    ["u:s3cret@h/d", /must begin with postgres:/],
    ["postgres://u:s3cret@h:port/d", /cannot be read/],
    ["postgres://u:s3cret@h:99999/d", /cannot be read/],
    ["postgres://u:s3cret@h:0/d", /port 0/],
    ["postgres://u:s3cret/s3cret@h/d", /cannot be read/],
    ["postgres://u:12/s3cret@h/d", /has a \/ \? or @/],
    ["postgres://u:12?s3cret@h/d", /has a \/ \? or @/],
    ["postgres://u:12#s3cret@h/d", /holds a #/],
    ["postgres://u:s3cret%zz@h/d", /begins no valid escape/],
    ["postgres://u:s3cret@h/d?sslcert=x", /sslcert, which is not supported/],
    ["postgres://u:s3cret@h/d?sslmode=prefer", /must be one of disable, require, verify-ca, verify-full/],
    ["postgres://u:12?s3cret", /parameter that is not known/],
    ["postgres://u:12?sslmode=s3cret", /must be one of/],
    ["postgres://u:12?connect_timeout=s3cret", /connect_timeout that is not a number/],
    ["postgres://u:1/s3cret", /names no user/],
    ["postgres://u/s3cret", /names no user/],
    ["postgres://u:1?options=s3cret", /options, which is not supported/],
    ["postgres://u:s3cret@h/d?pgbouncer=true", /transaction mode/],
    ["postgres://u:s3cret@h/d?schema=app", /--schema/],
    ["postgres://u:s3cret@h/d?sslmode=disable&sslmode=require", /sslmode twice/],
    ["postgres://u:s3cret@h:1/d?port=2", /twice/],
    ["postgres://u:s3cret@h/d?port=s3cret", /^DATABASE_URL has a port that is not a number/],
    ["postgres://u:s3cret@h1:1,h2:2/d", /cannot be read/],
    ["postgres://u:s3cret@h1,h2/d", /several hosts/],
    ["postgres://u:s3cret@::1:5432/d", /IPv6 address stands in brackets/],
    ["postgres://u:s3cret@h/d?sslrootcert=/s3cret.pem", /sslrootcert in DATABASE_URL cannot be read/],
  ])("%s is refused without its password", (url, message) => {
    const error = refusalOf({ DATABASE_URL: url });
    expect(error).toMatchObject({ code: "USAGE", message: expect.stringMatching(message) });
    expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toContain("s3cret");
  });
});

describe("the URL and the parts", () => {
  const url = { DATABASE_URL: "postgres://u:s3cret@localhost/d" };

  test.each<[string, Values, Values]>([
    ["both in the environment", { ...url, DATABASE_HOST: "h" }, {}],
    ["both in .env", {}, { ...url, DATABASE_HOST: "h" }],
    ["the parts in the environment, the URL in .env", { DATABASE_HOST: "h" }, url],
    ["both in the environment, one of them in .env too", { ...url, DATABASE_PASSWORD: "x" }, url],
  ])("a URL and its parts are refused together: %s", (_, environment, dotEnv) => {
    const error = refusalOf(environment, dotEnv);
    expect(error).toMatchObject({ code: "USAGE", message: expect.stringContaining("are both set") });
    expect(error.message).not.toContain("s3cret");
  });

  it("the refusal of two settings for one thing says where each of them stands", () => {
    expect(refusalOf({ DATABASE_HOST: "h" }, url).message).toBe(
      "DATABASE_URL (in .env) and DATABASE_HOST (in the environment) are both set",
    );
  });

  it("a URL in the environment replaces the parts of .env, and what is no part stays", () => {
    const dotEnv = { DATABASE_HOST: "h", DATABASE_PORT: "1", DATABASE_SSL: "verify-full" };
    expect(read(url, dotEnv)).toMatchObject({ host: "localhost", port: 5432, tls: { mode: "verify-full" } });
  });
});

describe("TLS", () => {
  test.each<[string, "disable" | "verify-full"]>([
    ["localhost", "disable"],
    ["127.0.0.1", "disable"],
    ["127.8.9.1", "disable"],
    ["::1", "disable"],
    ["[::1]", "disable"],
    ["0:0:0:0:0:0:0:1", "disable"],
    ["::ffff:127.0.0.1", "disable"],
    ["[fd00::1]", "verify-full"],
    ["::ffff:10.0.0.1", "verify-full"],
    ["/var/run/postgresql", "disable"],
    ["localhost.example", "verify-full"],
    ["127.example", "verify-full"],
    ["10.0.0.1", "verify-full"],
    ["db.example", "verify-full"],
  ])("%s: %s", (host, mode) => {
    expect(read({ DATABASE_HOST: host }).tls).toEqual({ mode });
  });

  test.each<[string, Values, string]>([
    ["switched on for loopback", { DATABASE_SSL: "verify-full" }, "verify-full"],
    ["switched off elsewhere", { DATABASE_HOST: "h", DATABASE_SSL: "disable" }, "disable"],
    [
      "DATABASE_SSL beats the URL",
      { DATABASE_URL: "postgres://u@h/d?sslmode=verify-full", DATABASE_SSL: "disable" },
      "disable",
    ],
  ])("%s", (_, environment, mode) => {
    expect(read(environment).tls).toEqual({ mode });
  });

  test.each(["require", "prefer", "true", "verify-ca", "Disable"])("%p is refused", (mode) => {
    expect(refusalOf({ DATABASE_SSL: mode })).toMatchObject({
      code: "USAGE",
      message: `DATABASE_SSL must be disable or verify-full, not "${mode}"`,
    });
  });

  test.each<[string, string, RegExp]>([
    ["is not there", "nowhere.pem", /cannot be read: nowhere\.pem/],
    ["is a folder", ".", /cannot be read/],
    ["holds no certificate", "ca.txt", /holds no PEM certificate: ca\.txt/],
    ["is damaged", "damaged.pem", /damaged certificate: damaged\.pem/],
  ])("a CA file that %s is refused", (_, file, message) => {
    const cwd = writeFolder({
      "ca.txt": "-----BEGIN PRIVATE KEY-----",
      "damaged.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    });
    const environment = { DATABASE_SSL: "verify-full", DATABASE_SSL_CA: file };
    expect(refusalOf(environment, {}, cwd)).toMatchObject({
      code: "USAGE",
      message: expect.stringMatching(message),
    });
  });

  it("a CA file on a loopback address switches TLS on, or is refused", () => {
    expect(refusalOf({ DATABASE_SSL_CA: "nowhere.pem" }).message).toContain("cannot be read: nowhere.pem");
    const url = "postgres://u@localhost/d?sslmode=disable&sslrootcert=x";
    for (const [environment, message] of [
      [{ DATABASE_SSL: "disable", DATABASE_SSL_CA: "x" }, "DATABASE_SSL_CA names certificates"],
      [{ DATABASE_URL: url }, "sslrootcert in DATABASE_URL names certificates"],
    ] as const) {
      expect(refusalOf(environment)).toMatchObject({
        code: "USAGE",
        message: expect.stringContaining(message),
      });
    }
  });

  it.each(["require", "verify-ca"])(
    "sslmode=%s in the URL is said to mean more than it does elsewhere",
    (mode) => {
      const environment = { DATABASE_URL: `postgres://u@h/d?sslmode=${mode}` };
      const { notes, connection } = readDatabaseSettings({ environment, dotEnv: {} }, "/");
      expect(connection.tls).toEqual({ mode: "verify-full" });
      expect(notes).toEqual([expect.stringContaining(`sslmode=${mode} is taken for verify-full`)]);
    },
  );
});

describe("whether the defaults are only a guess", () => {
  test.each<[boolean, Values, Values]>([
    [true, {}, {}],
    [true, { PATH: "x", PG_COLOR: "auto" }, { OTHER: "x" }],
    [false, { DATABASE_SSL: "disable" }, {}],
    [false, { PGHOST: "h" }, {}],
    [false, {}, { DATABASE_NAME: "n" }],
  ])("%p: %p, .env %p", (guessed, environment, dotEnv) => {
    expect(readDatabaseSettings({ environment, dotEnv }, "/").guessed).toBe(guessed);
  });
});
