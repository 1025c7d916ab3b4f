import { runScenarios } from "./environment.ts";
import { roles } from "./scenarios/role.ts";

runScenarios(roles);
