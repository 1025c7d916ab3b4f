import { describe } from "@jest/globals";
import { runScenarios } from "./environment.ts";
import { owners } from "./scenarios/owner.ts";
import { roles } from "./scenarios/role.ts";
import { rotation } from "./scenarios/rotation.ts";

runScenarios(roles, owners, (aws) =>
  describe("the password of a role is rotated [G34]", () => rotation(aws)),
);
