import { expect, test } from "@jest/globals";
import { CfnElement, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";
import { AppStack } from "../../lib/app-stack.ts";
import { acknowledgements } from "./acknowledgements.ts";
import { findingsOf, newApp } from "./synth.ts";

/** The app as a team with cdk-nag has it; its findings stop synth. */
function naggedApp(profile: "dev" | "prod") {
  const app = newApp();
  const stack = new AppStack(app, "app", { profile });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const idOf = (path: string) => {
    const resource = child(stack, path).node.defaultChild;
    return resource instanceof CfnElement ? stack.getLogicalId(resource) : "";
  };
  const known = acknowledgements(idOf).filter((one) => one.profile === undefined || one.profile === profile);
  const findings = () => findingsOf(app);
  return { app, stack, known, findings };
}

function child(scope: IConstruct, path: string): IConstruct {
  return path.split("/").reduce((at, id) => at.node.findChild(id), scope);
}

test.each(["dev", "prod"] as const)(
  "every finding of cdk-nag in the %s profile is acknowledged",
  (profile) => {
    const { app, stack, known } = naggedApp(profile);
    for (const { path, rule, reason } of known) {
      Validations.of(child(stack, path)).acknowledge({ id: `AwsSolutions::${rule}`, reason });
    }
    expect(() => app.synth()).not.toThrow();
  },
);

test.each(["dev", "prod"] as const)(
  "every acknowledgement for the %s profile still has its finding",
  (profile) => {
    const { app, known, findings } = naggedApp(profile);
    expect(() => app.synth()).toThrow("AwsSolutions-VPC7");
    const found = findings();
    for (const { path, rule } of known) {
      expect(found).toContainEqual(expect.stringContaining(`${rule} app/${path}/`));
    }
  },
);
