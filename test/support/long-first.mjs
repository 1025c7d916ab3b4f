/** The order of the test files: long ones first, so that no worker is left alone with one at the end. */
import { relative } from "node:path";
import Sequencer from "@jest/test-sequencer";

/** Seconds, of small files that take long. Jest knows the rest by their size, and all of them after a first run. */
const LONG = {
  "test/aws/deploy.once.test.ts": 30,
  "test/aws/direction.slow.test.ts": 60,
  "test/aws/failures.slow.test.ts": 30,
  "test/aws/stack.slow.test.ts": 50,
  "test/cli/squash-killed.slow.test.ts": 15,
  "test/constructs/cdk.slow.test.ts": 25,
  "test/docs/quickstart.slow.test.ts": 60,
  "test/engine/many.slow.test.ts": 15,
  "test/faults/cut.once.test.ts": 25,
  "test/faults/frozen.slow.test.ts": 25,
  "test/faults/kill.once.test.ts": 25,
  "test/faults/lost-answer.once.test.ts": 25,
  "test/faults/terminate.once.test.ts": 25,
  "test/package/consumer.slow.test.ts": 55,
  "test/review/verify-corpus.slow.test.ts": 30,
};

export default class LongFirst extends Sequencer {
  /** @returns milliseconds; where nothing is known, one for each byte */
  time(test) {
    const { config, hasteFS } = test.context;
    const expected = LONG[relative(config.rootDir, test.path)];
    return super.time(test) ?? (expected === undefined ? hasteFS.getSize(test.path) : expected * 1_000);
  }
}
