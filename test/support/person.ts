import { findAgent } from "../../lib/cli/approval.ts";

/** The environment without the variables of a coding agent that runs the tests. */
export function asPerson(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = { ...env };
  for (let agent = findAgent(own); agent !== undefined; agent = findAgent(own)) delete own[agent];
  return own;
}
