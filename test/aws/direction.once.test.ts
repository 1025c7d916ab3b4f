import { describe } from "@jest/globals";
import { direction } from "./scenarios/direction.ts";
import { green } from "./scenarios/green.ts";
import { playOnAws } from "./world.ts";

playOnAws(
  (world) =>
    describe("a rollback of the stack never fails because of the migrations [G21]", () => direction(world)),
  (world) => describe("a deploy that succeeds has applied what it names [G22]", () => green(world)),
);
