/** One project for tests that need no database, one for each chosen major version of Postgres, one for slow tests. */
const ALL_MAJORS = [15, 16, 17, 18];
const USUAL_MAJOR = 17;

/** "only" and "too" are what the scripts test:slow and test:all set. */
const slowTests = process.env.SLOW_TESTS ?? "";
const majors = chosenMajors(process.env.PG_MAJORS ?? String(USUAL_MAJOR));
/** Where tests run that any version answers in the same way. */
const onceMajor = majors.includes(USUAL_MAJOR) ? USUAL_MAJOR : majors[0];

/** @param {string} text "16", "15 18" or "all" */
function chosenMajors(text) {
  if (text === "all") return ALL_MAJORS;
  const chosen = text.split(/[\s,]+/).map(Number);
  const unknown = chosen.filter((major) => !ALL_MAJORS.includes(major));
  if (unknown.length > 0)
    throw new Error(`PG_MAJORS: "${text}" is not "all", nor some of ${ALL_MAJORS.join(" ")}`);
  return chosen;
}

const SLOW = "\\.slow\\.test\\.ts$";
const RULES = "\\.rules\\.test\\.ts$";
const ONCE = ["<rootDir>/test/embedded/", "<rootDir>/test/support/", "\\.once\\.test\\.ts$"];

const common = {
  roots: ["<rootDir>/test"],
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      {
        jsc: { target: "es2022", parser: { syntax: "typescript" } },
        module: { type: "es6" },
        sourceMaps: "inline",
      },
    ],
  },
};

const against = (major) => ({
  ...common,
  displayName: `pg${major}`,
  globals: { PG_MAJOR: major, PG_EVERY_CASE: slowTests !== "" && major === onceMajor },
  testRegex: "\\.test\\.ts$",
  testPathIgnorePatterns: ["/node_modules/", RULES, SLOW, ...(major === onceMajor ? [] : ONCE)],
});

const slow = {
  ...against(onceMajor),
  displayName: "slow",
  testRegex: SLOW,
  testPathIgnorePatterns: ["/node_modules/"],
};
const usual = [{ ...common, displayName: "rules", testRegex: RULES }, ...majors.map(against)];

function chosenProjects() {
  if (slowTests === "only") return [slow];
  if (slowTests === "too") return [...usual, slow];
  if (slowTests === "") return usual;
  throw new Error(`SLOW_TESTS: "${slowTests}" is not "only" or "too"`);
}

/** @type {import("jest").Config} */
export default {
  projects: chosenProjects(),
  testSequencer: "<rootDir>/test/support/long-first.mjs",
  globalTeardown: "<rootDir>/test/support/stop-servers.ts",
  // For a machine that is busy with other work; no test takes a tenth of that on one that is not.
  testTimeout: 300_000,
  // One more than the smallest machine has cores: with two, tests that wait left a third of its time unused.
  maxWorkers: 3,
  // On Node 20 a worker keeps the modules of every file it has run, and collecting garbage becomes most of its work.
  workerIdleMemoryLimit: "200MB",
};
