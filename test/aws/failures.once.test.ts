import { runScenarios } from "./environment.ts";
import { failing } from "./scenarios/failing.ts";
import { interrupted } from "./scenarios/interrupted.ts";
import { returns } from "./scenarios/returns.ts";
import { rollback } from "./scenarios/rollback.ts";

runScenarios(failing, rollback, returns, interrupted);
