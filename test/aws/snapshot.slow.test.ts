import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { snapshots } from "./scenarios/snapshot.ts";

runScenarios((aws) => describe("a snapshot precedes the migrations of a deploy [G33]", () => snapshots(aws)));
