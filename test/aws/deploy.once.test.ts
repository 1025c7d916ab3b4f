import { runScenarios } from "./environment.ts";
import { failing } from "./scenarios/failing.ts";
import { fleet } from "./scenarios/fleet.ts";
import { lifecycle } from "./scenarios/lifecycle.ts";
import { ownerLimits } from "./scenarios/owner.ts";
import { rollback } from "./scenarios/rollback.ts";
import { turns } from "./scenarios/rotation.ts";
import { nextSlice } from "./scenarios/slices.ts";

runScenarios(lifecycle, failing, rollback, nextSlice, turns, ownerLimits, fleet);
