import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { readVariables } from "../../lib/client/index.ts";
import { writeFolder } from "../support/folders.ts";

it(".env is read with quotes and comments, and without empty values", () => {
  const cwd = writeFolder({
    ".env":
      "# a comment\nDATABASE_HOST=h # another\nDATABASE_PASSWORD='p#$ '\nDATABASE_SSL_CA=\nexport DATABASE_NAME=n\n",
  });
  expect(readVariables({ X: "", DATABASE_SSL: "disable", Y: undefined }, cwd)).toEqual({
    environment: { DATABASE_SSL: "disable" },
    dotEnv: { DATABASE_HOST: "h", DATABASE_PASSWORD: "p#$ ", DATABASE_NAME: "n" },
    file: ".env",
  });
});

it("the variables need no .env", () => {
  expect(readVariables({}, writeFolder({}))).toEqual({ environment: {}, dotEnv: {}, file: ".env" });
});

it("a .env that cannot be read is refused", () => {
  const cwd = writeFolder({});
  mkdirSync(join(cwd, ".env"));
  expect(() => readVariables({}, cwd)).toThrow(expect.objectContaining({ code: "USAGE" }));
});

it("a .env that begins with a byte order mark is read", () => {
  const cwd = writeFolder({ ".env": "\ufeffDATABASE_HOST=h\n" });
  expect(readVariables({}, cwd).dotEnv).toEqual({ DATABASE_HOST: "h" });
});

it.each<[string, string | Buffer, RegExp]>([
  ["an empty password", "DATABASE_PASSWORD=\n", /DATABASE_PASSWORD is set in \.env, but it is empty/],
  ["an empty host in quotes", 'DATABASE_HOST=""\n', /DATABASE_HOST is set in \.env, but it is empty/],
  [
    "a name without a value",
    "A=1\nDATABASE_NAME\n",
    /line 2 of \.env names DATABASE_NAME, but gives it no value/,
  ],
  ["a name with a colon", "DATABASE_NAME: x\n", /line 1 of \.env names DATABASE_NAME/],
  ["an exported name without a value", "export DATABASE_USER\n", /line 1 of \.env names DATABASE_USER/],
  ["text in UTF-16", Buffer.from("\ufeffDATABASE_HOST=h\n", "utf16le"), /cannot be read as text in UTF-8/],
  [
    "text in Latin-1",
    Buffer.from("DATABASE_PASSWORD=caf\xe9\n", "latin1"),
    /cannot be read as text in UTF-8/,
  ],
])("refuses a .env with %s, which would lead to another database", (_, text, message) => {
  const cwd = writeFolder({});
  writeFileSync(join(cwd, ".env"), text);
  expect(() => readVariables({}, cwd)).toThrow(
    expect.objectContaining({ code: "USAGE", message: expect.stringMatching(message) }),
  );
});

it("an empty address in the environment, such as a secret that CI does not have, is refused", () => {
  expect(() => readVariables({ DATABASE_URL: "" }, writeFolder({}))).toThrow(
    "DATABASE_URL is set in the environment, but it is empty",
  );
});

it("the environment fills in what .env leaves empty", () => {
  const cwd = writeFolder({ ".env": "DATABASE_PASSWORD=\n" });
  expect(readVariables({ DATABASE_PASSWORD: "p" }, cwd).environment).toEqual({ DATABASE_PASSWORD: "p" });
});
