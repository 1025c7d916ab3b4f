import { runScenarios } from "./environment.ts";
import { background } from "./scenarios/background.ts";
import { interrupted } from "./scenarios/interrupted.ts";
import { returns } from "./scenarios/returns.ts";

runScenarios(returns, interrupted, background);
