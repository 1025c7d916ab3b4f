import { runScenarios } from "./environment.ts";
import { failing } from "./scenarios/failing.ts";
import { lifecycle } from "./scenarios/lifecycle.ts";
import { ownerLimits } from "./scenarios/owner.ts";
import { rollback } from "./scenarios/rollback.ts";
import { turns } from "./scenarios/rotation.ts";
import { runner } from "./scenarios/runner.ts";

runScenarios(lifecycle, failing, rollback, turns, ownerLimits, runner);
