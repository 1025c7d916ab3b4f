/**
 * Synthesizes stacks: a request as JSON on each line of stdin, an answer on each line of stdout. In a process of its
 * own, because the CDK loads slowly in Jest's sandbox.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { App, type AppProps } from "aws-cdk-lib";
import * as v from "valibot";
import { createApp } from "../../../lib/app-stack.ts";
import { STACK_NAME } from "../cloud/physical-names.ts";
import { addFleet, FleetRequest } from "./fleet.ts";
import { addHarnessStack, HarnessStackRequest } from "./harness-stack.ts";
import { addProject, ProjectRequest } from "./project.ts";

/** This project's own app, with the context of its `cdk.json`. */
const AppRequest = v.object({ kind: v.literal("app") });
const CdkJson = v.object({ context: v.record(v.string(), v.unknown()) });

const StackRequest = v.variant("kind", [HarnessStackRequest, ProjectRequest, FleetRequest, AppRequest]);
export type StackRequest = v.InferInput<typeof StackRequest>;
const Request = v.object({ outDir: v.string(), stack: StackRequest });

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(line))}\n`);
}

function answer(line: string): { readonly error?: string } {
  try {
    const { outDir, stack } = v.parse(Request, JSON.parse(line));
    appWith(stack, { outdir: outDir, analyticsReporting: false, treeMetadata: false }).synth();
    return {};
  } catch (error) {
    return { error: error instanceof Error ? String(error.stack) : String(error) };
  }
}

function appWith(stack: v.InferOutput<typeof StackRequest>, props: AppProps): App {
  if (stack.kind === "app") return createApp({ ...props, context: readContext() });
  const app = new App(props);
  if (stack.kind === "harness") addHarnessStack(app, STACK_NAME, stack);
  else if (stack.kind === "fleet") addFleet(app, STACK_NAME, stack);
  else addProject(app, STACK_NAME, stack);
  return app;
}

function readContext(): Record<string, unknown> {
  const file = new URL("../../../cdk.json", import.meta.url);
  return v.parse(CdkJson, JSON.parse(readFileSync(file, "utf8"))).context;
}
