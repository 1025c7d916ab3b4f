import { Duration, Token } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { FleetSettings } from "./fleet-definition.ts";
import type { PostgresMigrationsFleetProps } from "./postgres-migrations-fleet-props.ts";
import { constructError } from "./validation.ts";

/** A deploy waits 55 minutes for its fleet: a longer pause leaves no time to migrate it. */
const LONGEST_PAUSE = Duration.minutes(30);

/** Step Functions ends an execution after a year: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html */
const LONGEST_EXECUTION = Duration.days(365);

/** What an inline or Distributed Map can run at the same time: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html */
const LONGEST_MAP = 10_000;

/** @throws Error that names the construct and the prop, with the value received */
export function fleetSettings(scope: Construct, props: PostgresMigrationsFleetProps): FleetSettings {
  const { pause = Duration.seconds(0), canary = 1, toleratedFailures = 0 } = props;
  const { maxConcurrency = 20, maxConcurrencyPerServer = 10, allowDown = false } = props;
  requireWaiting(scope, props);
  requireCanary(scope, canary);
  requireCount(scope, "maxConcurrency", maxConcurrency, 1);
  requireCount(scope, "maxConcurrencyPerServer", maxConcurrencyPerServer, 1);
  requireCount(scope, "toleratedFailures", toleratedFailures, 0);
  return {
    name: nameOf(scope, props),
    canary,
    pauseSeconds: pause.toSeconds(),
    approval: props.approvalTopic !== undefined,
    maxConcurrency,
    maxConcurrencyPerServer,
    toleratedFailures,
    allowDown,
  };
}

/** A deploy that waits cannot wait for a person, or longer than CloudFormation does. */
function requireWaiting(scope: Construct, props: PostgresMigrationsFleetProps): void {
  const { waitForFleet = true, approvalTopic, approvalTimeout, pause } = props;
  if (approvalTopic === undefined && approvalTimeout !== undefined) {
    throw constructError(scope, "approvalTimeout is only for an `approvalTopic`");
  }
  requireWithinYear(scope, "approvalTimeout", approvalTimeout, 1);
  requireWithinYear(scope, "pause", pause, 0);
  if (!waitForFleet) return;
  if (approvalTopic !== undefined) {
    throw constructError(
      scope,
      "approvalTopic needs `waitForFleet: false`: CloudFormation waits for one hour, and for no person",
    );
  }
  if (pause !== undefined && pause.toSeconds() > LONGEST_PAUSE.toSeconds()) {
    throw constructError(
      scope,
      `pause must be at most ${LONGEST_PAUSE.toMinutes()} minutes, not ${pause.toHumanString()}, unless \`waitForFleet\` ` +
        "is false: a deploy waits 55 minutes for the whole fleet",
    );
  }
}

function requireWithinYear(scope: Construct, prop: string, time: Duration | undefined, least: 0 | 1): void {
  if (time === undefined || time.isUnresolved()) return;
  const seconds = time.toSeconds({ integral: false });
  if (Number.isInteger(seconds) && seconds >= least && seconds <= LONGEST_EXECUTION.toSeconds()) return;
  throw constructError(
    scope,
    `${prop} must be whole seconds from ${least} up to a year, which an execution may take, not ${time.toHumanString()}`,
  );
}

function requireCanary(scope: Construct, canary: number | string | readonly string[]): void {
  const shown = JSON.stringify(canary);
  const refuse = (): Error =>
    constructError(
      scope,
      `canary must be a whole number of targets, a share from 0 to 100 such as "10 %", or names of targets, not ${shown}`,
    );
  if (typeof canary === "number") {
    if (!Number.isInteger(canary) || canary < 0) throw refuse();
  } else if (typeof canary === "string") {
    const share = /^\s*(-?[\d.,]+)\s*%\s*$/.exec(canary)?.[1];
    if (canary.trim() === "" || (share !== undefined && !(/^\d+$/.test(share) && Number(share) <= 100)))
      throw refuse();
  } else if (canary.length === 0 || canary.some((name) => name.trim() === "")) throw refuse();
}

function requireCount(scope: Construct, prop: string, value: number, lowest: number): void {
  if (Token.isUnresolved(value)) throw constructError(scope, `${prop} must be known at synth`);
  if (Number.isInteger(value) && value >= lowest && value <= LONGEST_MAP) return;
  throw constructError(
    scope,
    `${prop} must be a whole number from ${lowest} to ${LONGEST_MAP}, not ${value}`,
  );
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/** It becomes a part of keys, of permissions for them, and of metrics. */
function nameOf(scope: Construct, { fleetName }: PostgresMigrationsFleetProps): string {
  if (fleetName === undefined)
    return scope.node.path
      .replaceAll(/[^A-Za-z0-9_.-]+/g, "-")
      .slice(-100)
      .replace(/^[^A-Za-z0-9]+/, "");
  if (!Token.isUnresolved(fleetName) && NAME.test(fleetName)) return fleetName;
  throw constructError(
    scope,
    `fleetName must be a letter or digit, then up to 99 letters, digits and _ . -, not ${JSON.stringify(fleetName)}`,
  );
}
