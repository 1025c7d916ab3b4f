import { expect, test } from "@jest/globals";
import { directionOf } from "../../lambda/stack-event/stack-status.ts";

test.each([
  // of a rollback by itself, by `cdk rollback`, continued after it failed, of an import, of a first deploy
  ["UPDATE_ROLLBACK_IN_PROGRESS", "rollback"],
  ["UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "rollback"],
  ["UPDATE_ROLLBACK_FAILED", "rollback"],
  ["IMPORT_ROLLBACK_IN_PROGRESS", "rollback"],
  ["ROLLBACK_IN_PROGRESS", "rollback"],
  ["CREATE_IN_PROGRESS", "forward"],
  ["UPDATE_IN_PROGRESS", "forward"],
  ["IMPORT_IN_PROGRESS", "forward"],
  ["UPDATE_COMPLETE", "unknown"],
  ["UPDATE_FAILED", "unknown"],
  ["DELETE_IN_PROGRESS", "unknown"],
])("a stack in %s goes in the direction %s", (status, direction) => {
  expect(directionOf(status)).toBe(direction);
});
