import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { runCommand, writeProject } from "./command.ts";

it("--version prints the version of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect((await runCommand(writeProject({}), ["--version"])).stdout).toBe(`${version}\n`);
});
