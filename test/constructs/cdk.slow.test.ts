import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { AppStack } from "../../lib/app-stack.ts";
import { cdk, home } from "./cdk-command.ts";
import { newApp, sqlFolder } from "./synth.ts";

interface Report {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

/** Every rule that is broken, and by which construct. */
function findingsIn(out: string): string[][] {
  const report: Report = JSON.parse(readFileSync(join(out, "validation-report.json"), "utf8"));
  return report.pluginReports
    .flatMap(({ violations }) => violations)
    .flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => [ruleName, constructPath]),
    );
}

test("a finding of CDK's validation fails synth, and the stacks of both profiles have none", () => {
  const out = join(home, "wrong");
  // Without the second compilation of CDK's validation, which would pay only in a longer run.
  const app = `"${process.execPath}" --liftoff-only --import tsx test/constructs/wrong-app.ts`;
  const { status, output } = cdk(["synth", "--quiet", "--app", app, "--output", out]);
  expect(status).not.toBe(0);
  expect(output).toContain("BackupRetentionPeriod: 40 exceeds maximum 35");
  expect(findingsIn(out)).toEqual([["E3719", "wrong/Database/Instance/Resource"]]);
  expect(readdirSync(out)).toEqual(
    expect.arrayContaining(["right-prod.template.json", "right-dev.template.json"]),
  );
});

test("cdk diff shows the head, count and names of what a deploy would run", () => {
  const before = join(home, "before");
  const after = join(home, "after");
  synthesize(before, "1_one");
  synthesize(after, "1_one", "2_two", "3_three");
  const deployed = join(home, "deployed.json");
  writeFileSync(deployed, readFileSync(join(before, "app.template.json")));
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
