import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { slices } from "./scenarios/slices.ts";

runScenarios((aws) => describe("a deploy works in as many invocations as it needs [G75]", () => slices(aws)));
