import { describe, expect, test } from "@jest/globals";
import type { Scenarios } from "../environment.ts";
import { tablesIn } from "../state.ts";

const HEAD = "1707000000000_create-metadata-tables";

/** The parts of a command line that a shell would make of it. */
function partsOf(command: string): readonly string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

function argumentOf(command: string, flag: string): string {
  const parts = partsOf(command);
  return parts[parts.indexOf(flag) + 1] ?? "";
}

export const app: Scenarios = (aws) =>
  describe("this project's app", () => {
    test("this project's app deploys its own migrations, and its outputs are commands that work", async () => {
      const { withStack, services, synth } = aws();
      const version = await synth({ kind: "app" });
      await withStack({ database: "aws_framework" }, async ({ stack, db }) => {
        const run = async (output: string) => {
          const command = stack.output(output);
          const name = argumentOf(command, "--function-name");
          return JSON.parse((await services.lambda.invoke(name, argumentOf(command, "--payload"))).payload);
        };
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Head: HEAD } });
        expect(await tablesIn(db)).toEqual(["field_definitions", "object_definitions", "object_fields"]);
        expect(stack.output("Head")).toBe(HEAD);
        expect(stack.output("AppliedCount")).toBe("1");
        expect(await run("StatusCommand")).toMatchObject({ ok: true, command: "status", head: HEAD });
        expect(await run("PlanCommand")).toMatchObject({ ok: true, steps: [] });
        expect(await run("DownCommand")).toMatchObject({ ok: false, error: { code: "USAGE" } });
        const down = { command: "down", confirm: "aws_framework" };
        expect((await stack.invoke("on-operate.handler", down)).payload).toMatchObject({
          ok: true,
          head: null,
        });
        expect(await tablesIn(db)).toEqual([]);
        expect(await run("UpCommand")).toMatchObject({ ok: true, head: HEAD });
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS" });
      });
    });
  });
