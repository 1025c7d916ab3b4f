import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { errorMessage, MigrationError } from "../../core/index.ts";
import type { ProcessIo } from "../process-io.ts";

/** The parts of a workflow's event that are used, https://docs.github.com/webhooks/webhook-events-and-payloads. */
const EVENT = v.object({
  pull_request: v.optional(
    v.object({
      number: v.number(),
      base: v.object({ sha: v.string() }),
      head: v.object({ sha: v.string() }),
    }),
  ),
  merge_group: v.optional(v.object({ base_sha: v.string() })),
  workflow_run: v.optional(
    v.object({
      id: v.number(),
      event: v.string(),
      head_sha: v.string(),
      head_branch: v.nullable(v.string()),
      head_repository: v.nullable(v.object({ owner: v.object({ login: v.string() }) })),
    }),
  ),
});

export type WorkflowEvent = v.InferOutput<typeof EVENT>;

/** Reads the event that started the workflow. @throws MigrationError `USAGE` outside a workflow of GitHub */
export async function readEvent({ env }: ProcessIo): Promise<WorkflowEvent> {
  const path = env["GITHUB_EVENT_PATH"];
  if (path === undefined || path === "") throw notReadable("GITHUB_EVENT_PATH is not set");
  try {
    const content: unknown = JSON.parse(await readFile(path, "utf8"));
    return v.parse(EVENT, content);
  } catch (error) {
    throw notReadable(`the event of the workflow cannot be read: ${errorMessage(error)}`, error);
  }
}

function notReadable(message: string, cause?: unknown): MigrationError {
  return new MigrationError("USAGE", message, {
    hint: "This is for a step of a workflow of GitHub, which sets the variables GITHUB_*.",
    cause,
  });
}
