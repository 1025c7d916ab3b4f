import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { AppStack, createApp } from "../../lib/app-stack.ts";
import { CONTEXT, newApp, ROOT, sqlFolder } from "./synth.ts";

const CDK = join(createRequire(import.meta.url).resolve("aws-cdk/package.json"), "..", "bin", "cdk");
const home = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-synth-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/**
 * CDK's command, without credentials or anything else of the machine in its environment, and with no way to
 * the network.
 */
function cdk(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const nowhere = "http://127.0.0.1:1";
  const { status, stdout, stderr } = spawnSync(process.execPath, [CDK, ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      CI: "true",
      HTTP_PROXY: nowhere,
      HTTPS_PROXY: nowhere,
      AWS_EC2_METADATA_DISABLED: "true",
      CDK_DISABLE_CLI_TELEMETRY: "true",
      CDK_DISABLE_VERSION_CHECK: "1",
      ...env,
    },
  });
  return { status, stdout, stderr, output: stdout + stderr };
}

const read = (path: string) => readFileSync(path, "utf8");

interface Report {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

/** What CDK's validation has written. */
function reportIn(out: string): Report {
  return JSON.parse(read(join(out, "validation-report.json")));
}

/** Every rule that is broken, and by which construct. */
function findingsIn(out: string): string[][] {
  return reportIn(out)
    .pluginReports.flatMap(({ violations }) => violations)
    .flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => [ruleName, constructPath]),
    );
}

// CDK's own validation takes ten seconds: of production it is below, together with that of a wrong app.
describe.each([
  { args: [], profile: "dev", down: true },
  { args: ["-c", "env=prod", "-c", "revision=abc123"], profile: "prod", down: false },
])("cdk synth $args", ({ args, profile, down }) => {
  const out = join(home, profile);
  const name = `cdk-pg-migrate-${profile}`;
  let run: ReturnType<typeof cdk>;
  let template: string;
  beforeAll(() => {
    const validation = profile === "dev" ? {} : { CDK_VALIDATION: "false" };
    run = cdk(["synth", "--quiet", "--no-notices", "--output", out, ...args], validation);
    template = read(join(out, `${name}.template.json`));
  });

  test("cdk synth prints no warning and no finding", () => {
    expect(run).toMatchObject({ status: 0, output: "" });
    if (profile === "dev") expect(reportIn(out)).toMatchObject({ pluginReports: [] });
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

test("a finding of CDK's validation fails synth, and the prod stack has none", () => {
  const out = join(home, "wrong");
  // Without the second compilation of CDK's validation, which would pay only in a longer run.
  const app = `"${process.execPath}" --liftoff-only --import tsx test/constructs/wrong-app.ts`;
  const { status, output } = cdk(["synth", "--quiet", "--app", app, "--output", out]);
  expect(status).not.toBe(0);
  expect(output).toContain("BackupRetentionPeriod: 40 exceeds maximum 35");
  expect(findingsIn(out)).toEqual([["E3719", "wrong/Database/Instance/Resource"]]);
  expect(readdirSync(out)).toContain("right.template.json");
});

test("an unknown environment is refused with the names of the valid ones", () => {
  expect(() => createApp({ context: { ...CONTEXT, env: "test" } })).toThrow(
    'context env must be "dev" or "prod", not "test": say -c env=dev or -c env=prod',
  );
});

test("cdk diff shows the head, count and names of what a deploy would run", () => {
  const before = join(home, "before");
  const after = join(home, "after");
  synthesize(before, "1_one");
  synthesize(after, "1_one", "2_two", "3_three");
  const deployed = join(home, "deployed.json");
  writeFileSync(deployed, read(join(before, "app.template.json")));
  const { status, output } = cdk([
    "diff",
    "--app",
    after,
    "--template",
    deployed,
    "--no-notices",
    "--no-color",
  ]);
  expect(status).toBe(0);
  const [, custom = ""] = output.split("Custom::PostgresMigrations");
  const lines = custom.split("\n").map((line) => line.replace(/^[\s│├└─]+/, "").trimEnd());
  expect(
    lines.slice(1, lines.indexOf("[ ] ]") + 1).map((line) => line.replace(/[0-9a-f]{64}/, "<hash>")),
  ).toEqual([
    "[~] Head",
    "[-] 1_one",
    "[+] 3_three",
    "[~] MigrationCount",
    "[-] 1",
    "[+] 3",
    "[~] MigrationsHash",
    "[-] <hash>",
    "[+] <hash>",
    "[~] Newest",
    "@@ -1,3 +1,5 @@",
    "[ ] [",
    '[-]   "1_one"',
    '[+]   "1_one",',
    '[+]   "2_two",',
    '[+]   "3_three"',
    "[ ] ]",
  ]);
});

function synthesize(outdir: string, ...names: readonly string[]): void {
  const app = newApp({ outdir });
  new AppStack(app, "app", { profile: "dev", migrationsDir: sqlFolder(...names) });
  app.synth();
}
