import type { Observer, RunEvent } from "../../lib/core/index.ts";
import { describeSession } from "../../lib/postgres/index.ts";
import type { Log, LogFields } from "./log.ts";

/** Writes what a run tells into the log. SQL is not among it. */
export function logProgress(log: Log): Observer {
  return (event) => {
    // Takes no time worth a line; what a migration does while it runs is between the other two.
    if (event.type === "building" || event.type === "built") return;
    const [level, message, fields] = describe(event);
    log[level](message, fields);
  };
}

type Line = readonly [level: "info" | "warn" | "error", message: string, fields?: LogFields];

function describe(event: Exclude<RunEvent, { type: "building" | "built" }>): Line {
  switch (event.type) {
    case "started":
      return ["info", `${event.direction} ${event.migration}: started`];
    case "finished":
      return ["info", `${event.direction} ${event.migration}: finished`, { durationMs: event.durationMs }];
    case "failed":
      return ["error", `${event.direction} ${event.migration}: failed`];
    case "lock-wait": {
      const holder = event.holder === null ? null : describeSession(event.holder);
      return [
        "warn",
        "another run holds the migration lock; waiting for it",
        { holder, waitMs: event.waitMs },
      ];
    }
    case "blocked":
      return ["warn", "a statement waits for other sessions", { blockers: event.by.map(describeSession) }];
    case "retry": {
      const { attempt, waitMs, reason } = event;
      return ["warn", `${event.migration} is tried again`, { attempt, waitMs, reason }];
    }
    case "notice":
      return ["info", "the server says", { severity: event.severity, notice: event.message }];
    case "server-starting":
      return ["info", "waiting for the server", { reason: event.message }];
    case "warning":
      return ["warn", event.message];
  }
}
