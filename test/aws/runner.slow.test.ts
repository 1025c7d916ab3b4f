import { runScenarios } from "./environment.ts";
import { runnerSlices } from "./scenarios/runner.ts";

runScenarios(runnerSlices);
