import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { readVariables } from "../../../lib/cli/settings/variables.ts";
import { writeFolder } from "../../support/folders.ts";

it("reads .env with quotes and comments, and leaves empty values out", () => {
  const cwd = writeFolder({
    ".env":
      "# a comment\nDATABASE_HOST=h # another\nDATABASE_PASSWORD='p#$ '\nDATABASE_USER=\nexport DATABASE_NAME=n\n",
  });
  expect(readVariables({ DATABASE_PORT: "", DATABASE_SSL: "disable", X: undefined }, cwd)).toEqual({
    environment: { DATABASE_SSL: "disable" },
    dotEnv: { DATABASE_HOST: "h", DATABASE_PASSWORD: "p#$ ", DATABASE_NAME: "n" },
  });
});

it("needs no .env", () => {
  expect(readVariables({}, writeFolder({}))).toEqual({ environment: {}, dotEnv: {} });
});

it("refuses a .env that cannot be read", () => {
  const cwd = writeFolder({});
  mkdirSync(join(cwd, ".env"));
  expect(() => readVariables({}, cwd)).toThrow(expect.objectContaining({ code: "USAGE" }));
});
