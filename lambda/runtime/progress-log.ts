import { type Observer, progressFilter, type RunEvent } from "../../lib/core/index.ts";
import { describeSession } from "../../lib/postgres/index.ts";
import { findingsOnAws } from "./advice.ts";
import type { Invocation, LogFields } from "./invocation.ts";

/** Logs the events of a run, without any SQL. */
export function logProgress({ log, counts, completed }: Invocation): Observer {
  const isNews = progressFilter();
  return (event) => {
    if (event.type === "retry") counts.lockRetries += 1;
    if (event.type === "left-running") counts.background = 1;
    if (event.type === "finished") {
      const { migration, direction, durationMs } = event;
      completed.push({ migration, direction, durationMs });
    }
    // Building SQL takes almost no time. The work of a migration is between its started and finished.
    if (event.type === "building" || event.type === "built" || event.type === "measured") return;
    if ((event.type === "progress" || event.type === "backfill") && !isNews(event)) return;
    const [level, message, fields] = describe(event);
    log[level](message, fields);
  };
}

type Line = readonly [level: "info" | "warn" | "error", message: string, fields?: LogFields];

function describe(event: Exclude<RunEvent, { type: "building" | "built" | "measured" }>): Line {
  switch (event.type) {
    case "started":
      return ["info", `${event.direction} ${event.migration}: started`];
    case "measuring":
      return ["info", `measuring ${event.migration}, in a transaction that is rolled back`];
    case "finished":
      return ["info", `${event.direction} ${event.migration}: finished`, { durationMs: event.durationMs }];
    case "failed":
      return ["error", `${event.direction} ${event.migration}: failed`];
    case "lock-wait": {
      const holder = event.holder === null ? null : describeSession(event.holder);
      return [
        "warn",
        "another run holds the migration lock; waiting for it",
        { lock: event.lock, holder, waitMs: event.waitMs },
      ];
    }
    case "blocked":
      return ["warn", "a statement waits for other sessions", { blockers: event.by.map(describeSession) }];
    case "progress": {
      const { migration, phase, percent, waitsFor } = event;
      const blocker = waitsFor === null ? null : describeSession(waitsFor);
      return ["info", `${migration}: ${phase}`, { phase, percent, waitsFor: blocker }];
    }
    case "backfill": {
      const { type: _, migration, ...progress } = event;
      return ["info", `backfill ${migration}`, progress];
    }
    case "left-running": {
      const { migration, statement, pid } = event;
      return ["warn", `time is up; the server goes on with ${migration}`, { statement, pid }];
    }
    case "settled":
      return ["info", `${event.migration}: statement ${event.statement} took effect in the background`];
    case "retry": {
      const { attempt, waitMs, reason } = event;
      return ["warn", `${event.migration} is tried again`, { attempt, waitMs, reason }];
    }
    case "notice":
      return ["info", "the server says", { severity: event.severity, notice: event.message }];
    case "server-starting":
      return ["info", "waiting for the server", { reason: event.message }];
    case "warning": {
      if (event.finding === undefined) return ["warn", event.message];
      const [finding] = findingsOnAws([event.finding]);
      return ["warn", event.message, { code: finding?.code, hint: finding?.hint }];
    }
  }
}
