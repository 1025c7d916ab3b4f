import { runScenarios } from "./environment.ts";
import { snapshots } from "./scenarios/snapshot.ts";

runScenarios(snapshots);
