import { runScenarios } from "./environment.ts";
import { backfills } from "./scenarios/backfills.ts";
import { background } from "./scenarios/background.ts";
import { budget } from "./scenarios/budget.ts";
import { interrupted } from "./scenarios/interrupted.ts";
import { returns } from "./scenarios/returns.ts";

runScenarios(returns, interrupted, background, budget, backfills);
