/** Entry points; Lambda's settings name them. */
export const HANDLERS = ["on-deploy", "on-status", "on-operate"] as const;

/** What migrations that import node-pg-migrate get. */
export const ENGINE_COPY = "node-pg-migrate";

/** The name of what several outputs share; numbered from 1. */
export const partName = (number: number): string => `part-${number}.mjs`;

export function isPart(fileName: string): boolean {
  return /^part-\d+\.mjs$/.test(fileName);
}
