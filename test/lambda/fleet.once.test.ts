import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { deploys } from "./fleet/deploys.ts";
import { executions } from "./fleet/executions.ts";
import { type FleetFunctions, startFleetFunctions } from "./fleet/functions.ts";
import { results } from "./fleet/results.ts";
import { MIGRATIONS, targets } from "./fleet/targets.ts";

let fleet: FleetFunctions | undefined;
const opened = (): FleetFunctions => {
  if (fleet === undefined) throw new Error("the functions of the fleet are not installed");
  return fleet;
};
beforeAll(async () => {
  fleet = await startFleetFunctions(MIGRATIONS);
});
afterAll(() => fleet?.close());

describe("each target is migrated once, with a login of its own [G85]", () => targets(opened));
describe("an execution", () => {
  executions(opened);
  results(opened);
});
describe("only a deploy forward starts an execution [G86]", () => deploys(opened));

test("nothing that the functions of a fleet logged, answered or began holds a secret", () => {
  const { services, secrets } = opened();
  const { emissions } = services.recorder;
  expect(new Set(emissions.map(({ kind }) => kind))).toEqual(new Set(["log", "answer", "history"]));
  expect(secrets.foundIn(emissions)).toEqual([]);
});
