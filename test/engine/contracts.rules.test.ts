import { describe, expect, it, test } from "@jest/globals";
import { type ContractFacts, type DeployedRelease, whyWaiting } from "../../lib/engine/contracts.ts";

const CONTRACT = "3_c";
const by = (release: string | null, revision: string | null = null) => ({ release, revision });
const after = (
  release: string,
  contracts: readonly string[] = [CONTRACT],
  revision?: string,
): DeployedRelease => ({
  release,
  revision,
  contracts,
});

/** Contract 3_c after 1_a on a database that a stack migrates; what differs in each case. */
const USUAL: ContractFacts = {
  name: CONTRACT,
  after: "1_a",
  afterIs: by("R1"),
  isNamed: false,
  isNewDatabase: false,
  isDeployed: true,
  deploy: undefined,
};

const CASES: readonly (readonly [what: string, facts: Partial<ContractFacts>, reason: string | undefined])[] =
  [
    ["the first deploy of all", { afterIs: "pending", deploy: { previous: undefined } }, "same-release"],
    [
      "the release that expands",
      { afterIs: "pending", deploy: { previous: after("R0", []) } },
      "same-release",
    ],
    ["the deploy after the expand, which had it too", { deploy: { previous: after("R1") } }, "same-release"],
    ["a deploy that brings the contract late", { deploy: { previous: after("R5", []) } }, "new-contract"],
    ["a deploy after a later release with it", { deploy: { previous: after("R2") } }, undefined],
    ["the same release again, after a later one with it", { deploy: { previous: after("R3") } }, undefined],
    [
      "a deploy after a later release with another contract",
      { deploy: { previous: after("R2", ["2_b"]) } },
      "new-contract",
    ],
    ["a deploy whose previous release is not certain", { deploy: { previous: undefined } }, "new-contract"],
    [
      "an expand that a failed release applied",
      { afterIs: by("failed"), deploy: { previous: after("R2") } },
      undefined,
    ],
    [
      "an expand that no release applied",
      { afterIs: by(null), deploy: { previous: after("R2") } },
      undefined,
    ],
    [
      "the same migrations and the same revision",
      { afterIs: by("R1", "v1"), deploy: { previous: after("R1", [CONTRACT], "v1") } },
      "same-release",
    ],
    [
      "the same migrations in a later revision",
      { afterIs: by("R1", "v1"), deploy: { previous: after("R1", [CONTRACT], "v2") } },
      undefined,
    ],
    ["an operator on a deployed database", {}, "outside-deploy"],
    ["an operator while the expand is pending", { afterIs: "pending" }, "outside-deploy"],
    ["a person's word", { isNamed: true }, undefined],
    ["a person's word in the release that expands", { isNamed: true, afterIs: "pending" }, undefined],
    ["an expand that waits itself", { afterIs: "waiting", deploy: { previous: after("R2") } }, "after-waits"],
    [
      "a person's word, and an expand that waits itself",
      { isNamed: true, afterIs: "waiting" },
      "after-waits",
    ],
    [
      "a new database in its first deploy",
      { isNewDatabase: true, afterIs: "pending", deploy: { previous: undefined } },
      undefined,
    ],
    [
      "a new database in a later deploy",
      { isNewDatabase: true, afterIs: "pending", deploy: { previous: after("R2") } },
      undefined,
    ],
    ["a database without deploys", { isDeployed: false }, undefined],
    ["a database without deploys, both at once", { isDeployed: false, afterIs: "pending" }, undefined],
  ];

describe("whyWaiting", () => {
  it.each(CASES)("a contract gets the right answer in %s", (_what, facts, reason) => {
    expect(whyWaiting({ ...USUAL, ...facts })).toBe(reason);
  });
});

interface Release {
  readonly hash: string;
  readonly has: "nothing" | "expand" | "contract";
}

/** What a stack and its database are after a sequence of deploys. */
interface Stack {
  readonly live: Release;
  readonly expandedBy: string | undefined;
  readonly contracted: boolean;
}

/**
 * One deploy, as CloudFormation does it: the migrations run while the code of the live release still works, and a failure
 * returns to that release. Returns undefined if code that needs the old shape would meet a database without it.
 */
function deploy(stack: Stack, next: Release, succeeds: boolean): Stack | undefined {
  const expandedBy = stack.expandedBy ?? (next.has === "nothing" ? undefined : next.hash);
  const { live } = stack;
  const contracts = live.has === "contract" ? [CONTRACT] : [];
  const reason = whyWaiting({
    ...USUAL,
    afterIs: stack.expandedBy === undefined ? "pending" : by(stack.expandedBy),
    deploy: { previous: { release: live.hash, revision: undefined, contracts } },
  });
  const runs = next.has === "contract" && !stack.contracted && reason === undefined;
  // The file of a contract says that the code beside it works without the old shape. Other code may need it.
  if (runs && live.has !== "contract") return undefined;
  return { live: succeeds ? next : live, expandedBy, contracted: stack.contracted || runs };
}

test("no sequence of deploys and failures contracts under code that has no contract, and each ends contracted", () => {
  const releases: readonly Release[] = [
    { hash: "R1", has: "nothing" },
    { hash: "R2", has: "expand" },
    { hash: "R3", has: "contract" },
    { hash: "R4", has: "contract" },
  ];
  const steps = releases.flatMap((next) => [true, false].map((succeeds) => ({ next, succeeds })));
  const start: Stack = { live: { hash: "R0", has: "nothing" }, expandedBy: undefined, contracted: false };
  let sequences: readonly Stack[] = [start];
  for (let length = 0; length < 4; length += 1) {
    sequences = sequences.flatMap((stack) =>
      // A stack whose database is contracted never gets code back that needs the old shape, unless a person deploys it.
      stack.contracted
        ? [stack]
        : steps.map(({ next, succeeds }) => deploy(stack, next, succeeds) ?? never(stack, next)),
    );
  }
  expect(sequences.length).toBeGreaterThan(1_000);
  for (const stack of sequences) {
    const [again, last] = [stack, { hash: "R9", has: "contract" } as const];
    const twice = deploy(
      deploy(deploy(again, { hash: "R8", has: "contract" }, true) ?? again, last, true) ?? again,
      last,
      true,
    );
    expect(twice?.contracted).toBe(true);
  }
});

function never(stack: Stack, next: Release): never {
  throw new Error(`contracted too early: ${JSON.stringify({ stack, next })}`);
}
