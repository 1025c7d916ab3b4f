/** Entry points; Lambda's settings name them. */
export const HANDLERS = ["on-deploy", "on-status", "on-operate"] as const;

/** Stands outside the VPC and loads nothing of the engine: compiled by itself, so that it shares no part with the others. */
export const STACK_EVENT_HANDLER = "on-stack-event";

/** What migrations that import node-pg-migrate get. */
export const ENGINE_COPY = "node-pg-migrate";

/** The name of what several outputs share; numbered from 1. */
export const partName = (number: number): string => `part-${number}.mjs`;

export function isPart(fileName: string): boolean {
  return /^part-\d+\.mjs$/.test(fileName);
}
