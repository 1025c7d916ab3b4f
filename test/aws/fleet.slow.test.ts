import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { fleetApproval } from "./scenarios/fleet-approval.ts";
import { fleetDatabases } from "./scenarios/fleet-databases.ts";
import { fleetDeploys } from "./scenarios/fleet-deploy.ts";
import { fleetChoices, fleetFailures, fleetInterruptions } from "./scenarios/fleet-waves.ts";

runScenarios(
  (aws) =>
    describe("targets that fail stop no others but those of later waves [G82]", () => fleetFailures(aws)),
  (aws) =>
    describe("an execution that is interrupted loses nothing and does nothing twice [G83]", () =>
      fleetInterruptions(aws)),
  (aws) => describe("a wave begins with the approval of a person [G84]", () => fleetApproval(aws)),
  (aws) => describe("a deploy of a fleet starts one execution, and stops it [G86]", () => fleetDeploys(aws)),
  fleetChoices,
  fleetDatabases,
);
