/** One project per major version of Postgres, and one for tests that need no database. */
const ALL_MAJORS = [15, 16, 17, 18];
/** The version of tests that would say the same on every other. */
const USUAL_MAJOR = 17;

/** PG_MAJORS="15 18" or "17": which of them to run. */
const majors = process.env.PG_MAJORS?.split(/[\s,]+/).map(Number) ?? ALL_MAJORS;
for (const major of majors) {
  if (!ALL_MAJORS.includes(major)) throw new Error(`PG_MAJORS: ${major} is none of ${ALL_MAJORS.join(", ")}`);
}
const onceMajor = majors.includes(USUAL_MAJOR) ? USUAL_MAJOR : majors[0];

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
  globals: { PG_MAJOR: major, PG_EVERY_CASE: major === onceMajor },
  testRegex: "\\.test\\.ts$",
  testPathIgnorePatterns: ["/node_modules/", RULES, ...(major === onceMajor ? [] : ONCE)],
});

/** @type {import("jest").Config} */
export default {
  projects: [{ ...common, displayName: "rules", testRegex: RULES }, ...majors.map(against)],
  testSequencer: "<rootDir>/test/support/long-first.mjs",
  globalTeardown: "<rootDir>/test/support/stop-servers.ts",
  testTimeout: 60_000,
  // One more than the smallest machine has cores: with two, tests that wait left a third of its time unused.
  maxWorkers: 3,
};
