import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { flagsIn, freshEnvironment, run } from "./commands.ts";
import { allPages, blocks, codeSpans, REPOSITORY } from "./markdown.ts";

const cdk = join(createRequire(import.meta.url).resolve("aws-cdk/package.json"), "..", "bin", "cdk");
const env = { ...freshEnvironment(), CDK_DISABLE_VERSION_CHECK: "1", CDK_DISABLE_CLI_TELEMETRY: "true" };
const help = async (...command: readonly string[]): Promise<string> => {
  const options = { cwd: REPOSITORY, env, timeoutMs: 60_000 };
  return (await run(process.execPath, [cdk, ...command, "--help"], options)).stdout;
};
const shown = allPages()
  .flatMap(({ text }) => [...blocks(text).flatMap((block) => block.text.split("\n")), ...codeSpans(text)])
  .flatMap((line) => {
    const [, command, rest = ""] = /^(?:npx )?cdk ([a-z]+)(.*)/.exec(line) ?? [];
    return command === undefined ? [] : [{ command, rest }];
  });

test("the commands of the CDK CLI exist and have the flags that the pages show", async () => {
  const named = [...new Set(shown.map(({ command }) => command))];
  expect(named.length).toBeGreaterThan(5);
  const listed = await help();
  expect(named.filter((command) => !new RegExp(`^ {2}cdk ${command} `, "m").test(listed))).toEqual([]);
  const flags = new Set(
    shown.flatMap(({ command, rest }) =>
      [...rest.matchAll(/(?<=\s)--?[a-z][\w-]*/g)].map(([flag]) => `${command} ${flag}`),
    ),
  );
  const unknown: string[] = [];
  for (const command of new Set([...flags].map((one) => one.split(" ")[0] ?? ""))) {
    const known = flagsIn(await help(command));
    // What can be said can be denied.
    const forms = [...known].flatMap((flag) => [flag, flag.replace(/^--/, "--no-")]);
    const ofCommand = [...flags].filter((one) => one.startsWith(`${command} `));
    unknown.push(...ofCommand.filter((one) => !forms.some((flag) => one === `${command} ${flag}`)));
  }
  expect(unknown).toEqual([]);
});
