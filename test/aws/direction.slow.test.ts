import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { direction } from "./scenarios/direction.ts";
import { green } from "./scenarios/green.ts";
import { squash } from "./scenarios/squash.ts";

runScenarios(
  (aws) =>
    describe("a rollback of the stack never fails because of the migrations [G21]", () => direction(aws)),
  (aws) => describe("a deploy that succeeds has applied what it names [G22]", () => green(aws)),
  squash,
);
