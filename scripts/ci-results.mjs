/**
 * Reads the reports that jest has written.
 *   ci-results.mjs failed <report>          the test files that failed, one per line; none if too many did
 *   ci-results.mjs count <report> [...]     counts the tests; the files of a report named "…again.json" count as they ended there
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, relative } from "node:path";

/** More than this is no bad luck, and would take as long as the whole suite. */
const MOST_FILES_AGAIN = 5;

const [action, ...reports] = process.argv.slice(2);
if (action === "failed") {
  const files = new Set(
    reports
      .flatMap(filesIn)
      .filter(hasFailed)
      .map(({ path }) => path),
  );
  if (files.size <= MOST_FILES_AGAIN) print([...files].join("\n"));
} else if (action === "count") count();
else throw new Error(`failed or count, not ${action}`);

function print(line) {
  process.stdout.write(`${line}\n`);
}

function count() {
  const [again, first] = [reports.filter(isAgain), reports.filter((path) => !isAgain(path))];
  let [passed, failed] = [0, 0];
  for (const report of first) {
    const files = filesIn(report);
    const repeated = again
      .filter((path) => path === report.replace(/\.json$/, "-again.json"))
      .flatMap(filesIn);
    const paths = new Set(repeated.map(({ path }) => path));
    const counted = [...files.filter(({ path }) => !paths.has(path)), ...repeated];
    nameUnsteady(
      files.filter(({ path }) => paths.has(path)),
      repeated,
    );
    if (counted.length === 0) print(`no test was executed: ${report}`);
    passed += counted.reduce((sum, file) => sum + file.passed, 0);
    failed += counted.filter(hasFailed).reduce((sum, file) => sum + Math.max(1, file.failed.length), 0);
    if (counted.length === 0) failed += 1;
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
}

/** A test that does not fail each time has a defect, or has met one: whoever reads the log must see it. */
function nameUnsteady(before, after) {
  const failing = new Set(after.flatMap(({ failed }) => failed));
  for (const { path, failed } of before)
    for (const title of failed)
      if (!failing.has(title)) print(`passed only when it was run again alone: ${path}: ${title}`);
}

function isAgain(path) {
  return basename(path).endsWith("-again.json");
}

/** A file that could not even be loaded has no tests, but has failed. */
function hasFailed({ status, failed }) {
  return status === "failed" || failed.length > 0;
}

function filesIn(path) {
  const { testResults = [] } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  return testResults.map(({ name, status, assertionResults }) => ({
    path: relative(process.cwd(), name),
    status,
    passed: assertionResults.filter((test) => test.status === "passed").length,
    failed: assertionResults.filter((test) => test.status === "failed").map(({ fullName }) => fullName),
  }));
}
