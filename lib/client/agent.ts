/**
 * Variables that coding agents set for the commands that they start. Variables that editors set for people too are not
 * among them: a person must not be taken for an agent.
 */
const AGENT_VARIABLES = [
  "CLAUDECODE",
  "CODEX_THREAD_ID",
  "CODEX_CI",
  "CODEX_SANDBOX",
  "CODEX_SANDBOX_NETWORK_DISABLED",
  "GEMINI_CLI",
  "QWEN_CODE",
  "CURSOR_AGENT",
  "COPILOT_CLI",
  "OPENCODE",
  "OPENCODE_CLIENT",
  "CLINE_ACTIVE",
  "CRUSH",
  "AUGMENT_AGENT",
  "ANTIGRAVITY_AGENT",
  "AI_AGENT",
] as const;

/** Variables that mean an agent with these values only. */
const AGENT_VALUES: Readonly<Record<string, RegExp>> = {
  OR_APP_NAME: /^Aider$/,
  REPLIT_SESSION: /^agent-/,
};

/**
 * The variable that tells that a coding agent runs this command; undefined for a person or a pipeline. `AGENT` is set by
 * some agents; in CI it may be the name of a machine.
 */
export function findAgent(env: Environment): string | undefined {
  const named = AGENT_VARIABLES.find((name) => env[name]);
  const byValue = Object.keys(AGENT_VALUES).find((name) => AGENT_VALUES[name]?.test(env[name] ?? ""));
  return named ?? byValue ?? (env["AGENT"] && !env["CI"] ? "AGENT" : undefined);
}

/** The environment of a command that a program starts for itself: no agent has asked for it. */
export function withoutAgent(env: Environment): Environment {
  const agent = findAgent(env);
  if (agent === undefined) return env;
  const { [agent]: _, ...others } = env;
  return withoutAgent(others);
}

type Environment = Readonly<Record<string, string | undefined>>;
