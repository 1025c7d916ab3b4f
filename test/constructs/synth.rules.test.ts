import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { createApp } from "../../lib/app-stack.ts";
import { cdk, home } from "./cdk-command.ts";
import { CONTEXT, ROOT } from "./synth.ts";

const read = (path: string) => readFileSync(path, "utf8");

// CDK's own validation takes ten seconds: it is in `cdk.slow.test.ts`.
describe.each([
  { args: [], profile: "dev", down: true },
  { args: ["-c", "env=prod", "-c", "revision=abc123"], profile: "prod", down: false },
])("cdk synth $args", ({ args, profile, down }) => {
  const out = join(home, profile);
  const name = `cdk-pg-migrate-${profile}`;
  let run: ReturnType<typeof cdk>;
  let template: string;
  beforeAll(() => {
    run = cdk(["synth", "--quiet", "--no-notices", "--output", out, ...args], { CDK_VALIDATION: "false" });
    template = read(join(out, `${name}.template.json`));
  });

  test(`cdk synth prints no warning (${profile})`, () => {
    expect(run).toMatchObject({ status: 0, output: "" });
  });

  test("the template is for any account and region and does not mention this machine", () => {
    const { artifacts } = JSON.parse(read(join(out, "manifest.json")));
    expect(artifacts[name].environment).toBe("aws://unknown-account/unknown-region");
    expect(template).not.toContain(ROOT);
    expect(template).not.toContain(home);
  });

  test("the outputs have what an operator needs", () => {
    const { Outputs: outputs } = JSON.parse(template);
    expect(Object.keys(outputs)).toEqual([
      "Head",
      "AppliedCount",
      "DatabaseName",
      "SecretArn",
      "DeployFunction",
      "StatusFunction",
      "OperateFunction",
      "DeployLogs",
      "StatusLogs",
      "OperateLogs",
      "StatusCommand",
      "PlanCommand",
      "UpCommand",
      "Runner",
      "RunCommand",
      ...(down ? ["DownCommand"] : []),
    ]);
    const [, [first, region, , handler, rest]] = outputs.UpCommand.Value["Fn::Join"];
    expect(region).toEqual({ Ref: "AWS::Region" });
    expect(handler).toHaveProperty("Ref");
    expect(first).toBe("AWS_MAX_ATTEMPTS=1 aws lambda invoke --region ");
    expect(rest).toBe(
      " --cli-binary-format raw-in-base64-out --cli-read-timeout 0 " +
        '--payload \'{"command":"up","confirm":"aws_framework"}\' ' +
        "--query FunctionError --output text /dev/fd/3 3>&1 1>&2 | cat",
    );
  });

  test("operators may undo migrations in dev only", () => {
    expect(template).toContain(`"ALLOW_DOWN": "${down}"`);
    expect(template.includes('"MIGRATIONS_REVISION": "abc123"')).toBe(!down);
  });
});

test("an unknown environment is refused with the names of the valid ones", () => {
  expect(() => createApp({ context: { ...CONTEXT, env: "test" } })).toThrow(
    'context env must be "dev" or "prod", not "test": say -c env=dev or -c env=prod',
  );
});
