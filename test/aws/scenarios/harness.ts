import { describe, expect, test } from "@jest/globals";
import { writeFolder } from "../../support/folders.ts";
import { Stack } from "../cloud/stack.ts";
import type { Assembly } from "../cloud/template.ts";
import type { Scenarios } from "../environment.ts";

/** Does what the property `Do` says. */
const HANDLER = `
import { setTimeout as sleep } from "node:timers/promises";
let calls = 0;
const deeds = {
  answer: (event, context) => ({
    PhysicalResourceId: event.ResourceProperties.Id ?? "constant",
    Data: { Type: event.RequestType, Calls: String(++calls), Left: String(context.getRemainingTimeInMillis() > 1000) },
  }),
  echo: (event) => ({ PhysicalResourceId: "constant", Data: { Event: JSON.stringify(event.ResourceProperties) } }),
  throw: () => { throw Object.assign(new TypeError("not today"), { sent: "in-a-property" }); },
  long: () => { throw new Error("x".repeat(5000)); },
  exit: () => process.exit(3),
  later: () => { setTimeout(() => { throw new Error("too late"); }, 10); return sleep(1000); },
  sleep: () => sleep(60_000),
  log: () => {
    console.log(JSON.stringify({ through: "console" }));
    process.stdout.write('{"through":"stdout"}\\n');
    process.stderr.write("without a line's end");
    return { PhysicalResourceId: "constant", Data: { Env: Object.keys(process.env).sort().join(" ") } };
  },
};
export const handler = (event, context) => deeds[event.ResourceProperties.Do](event, context);
`;

const outside = { host: "db.internal", port: 5432, secretArn: "arn:secret" };

/** The harness itself, with a stack of its own. */
export const harness: Scenarios = (aws) =>
  describe("the harness", () => {
    const version = (properties: Record<string, unknown>, providerId = "Provider"): Promise<Assembly> =>
      aws().synth({
        kind: "harness",
        handlers: writeFolder({ "index.mjs": HANDLER }),
        providerId,
        properties,
      });
    const newStack = (timeoutSeconds = 2): Stack =>
      new Stack(aws().services, { outside, signature: aws().secrets.make(""), timeoutSeconds });
    const logsSince = (count: number): string[] =>
      aws()
        .services.recorder.since(count)
        .filter(({ source, kind }) => kind === "log" && source.includes("Handler"))
        .map(({ text }) => text);

    test("the harness takes a stack through its life with the provider framework of the asset", async () => {
      const stack = newStack();
      const [one, two] = [await version({ Do: "answer", V: 1 }), await version({ Do: "answer", V: 2 })];
      expect(await stack.create(one)).toMatchObject({
        status: "SUCCESS",
        physicalId: "constant",
        data: { Type: "Create", Left: "true" },
      });
      expect(await stack.update(one)).toBeUndefined();
      expect(await stack.update(two)).toMatchObject({ status: "SUCCESS", data: { Type: "Update" } });
      expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS", data: { Type: "Update" } });
      expect(await stack.delete()).toMatchObject({ status: "SUCCESS", physicalId: "constant" });
    });

    test("the harness hands properties over as text, with references resolved", async () => {
      const { data } = await newStack().create(await version({ Do: "echo", Number: 7, List: [true, "x"] }));
      expect(JSON.parse(data["Event"] ?? "")).toMatchObject({
        Number: "7",
        List: ["true", "x"],
        Account: "123456789012",
        Handler: expect.stringMatching(/^at arn:aws:lambda:eu-west-1:123456789012:function:proof-Handler/),
      });
    });

    test.each([
      ["throw", /^TypeError: not today|not today/],
      ["exit", /Runtime exited with error: exit status 3/],
      ["later", /too late/],
      ["sleep", /Task timed out after 0\.50 seconds/],
      ["long", /^Response object is too long\.$/],
    ])("the harness fails the deploy of a function that does this: %s", async (deed, reason) => {
      const answer = await newStack(deed === "sleep" ? 0.5 : 2).create(await version({ Do: deed }));
      expect(answer).toMatchObject({ status: "FAILED", reason: expect.stringMatching(reason) });
      expect(answer.physicalId).toBe("AWSCDK::CustomResourceProviderFramework::CREATE_FAILED");
    });

    test("the harness keeps what a function logs: console in an object of the runtime's, the rest as it is", async () => {
      const before = aws().services.recorder.emissions.length;
      const { data } = await newStack().create(await version({ Do: "log" }));
      const [wrapped = "", ...others] = logsSince(before);
      expect(JSON.parse(wrapped)).toMatchObject({ level: "INFO", message: '{"through":"console"}' });
      expect(others.sort()).toEqual(["without a line's end", '{"through":"stdout"}']);
      expect(data["Env"]).not.toMatch(/HOME|NODE_|JEST/);
    });

    test("the harness logs errors as the runtime does, with their properties", async () => {
      const before = aws().services.recorder.emissions.length;
      await newStack().create(await version({ Do: "throw" }));
      expect(logsSince(before).join("\n")).toContain("in-a-property");
    });

    test("the harness deletes what was replaced, and refuses another service token", async () => {
      const stack = newStack();
      await stack.create(await version({ Do: "answer", Id: "first" }));
      const before = aws().services.recorder.emissions.length;
      await stack.update(await version({ Do: "answer", Id: "second" }));
      const answers = aws()
        .services.recorder.since(before)
        .filter(({ kind }) => kind === "response");
      expect(answers).toHaveLength(2);
      await expect(stack.update(await version({ Do: "answer" }, "Elsewhere"))).rejects.toThrow(
        /service token/,
      );
    });

    test("the harness keeps processes warm, and invokes again when an answer is lost", async () => {
      const stack = newStack();
      const calls = async (properties: object) =>
        (await stack.update(await version({ Do: "answer", ...properties })))?.data["Calls"];
      await stack.create(await version({ Do: "answer", V: 0 }));
      await aws().services.lambda.cool(stack.functionName("index.handler"));
      expect(await calls({ V: 1 })).toBe("1");
      expect(await calls({ V: 2 })).toBe("2");
      aws().services.lambda.loseAnswers(1);
      expect(Number(await calls({ V: 3 }))).toBeGreaterThan(3);
    });
  });
