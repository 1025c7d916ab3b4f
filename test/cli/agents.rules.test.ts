import { describe, expect, it } from "@jest/globals";
import { findAgent } from "../../lib/client/index.ts";

describe("the variables that tell of a coding agent", () => {
  it.each<[Record<string, string>, string | undefined]>([
    [{ CLAUDECODE: "1" }, "CLAUDECODE"],
    [{ CODEX_SANDBOX: "seatbelt" }, "CODEX_SANDBOX"],
    [{ GEMINI_CLI: "1" }, "GEMINI_CLI"],
    [{ CURSOR_AGENT: "1" }, "CURSOR_AGENT"],
    [{ AI_AGENT: "some-agent" }, "AI_AGENT"],
    [{ AGENT: "1" }, "AGENT"],
    [{ OR_APP_NAME: "Aider" }, "OR_APP_NAME"],
    [{ REPLIT_SESSION: "agent-12-ab" }, "REPLIT_SESSION"],
    [{ CLAUDECODE: "1", CI: "true" }, "CLAUDECODE"],
  ])("%j is the environment of an agent", (env, agent) => {
    expect(findAgent(env)).toBe(agent);
  });

  it.each([
    {},
    { CI: "true", GITHUB_ACTIONS: "true" },
    { CI: "true", AGENT: "linux-7" },
    { AGENT_NAME: "Azure Pipelines 3", BUILDKITE_AGENT_NAME: "x" },
    { CLAUDECODE: "" },
    { CURSOR_TRACE_ID: "a person in an editor" },
    { REPLIT_SESSION: "someone-Xyz" },
    { OR_APP_NAME: "another" },
  ])("%j is the environment of a person or a pipeline", (env) => {
    expect(findAgent(env)).toBeUndefined();
  });
});
