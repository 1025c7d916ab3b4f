import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { contracts } from "./scenarios/contracts.ts";

runScenarios((aws) =>
  describe("a contract waits for the releases that a stack rollback returns to [G48]", () => contracts(aws)),
);
