// What one run of a fleet costs on AWS, from list prices: node scripts/fleet-cost.mjs [--targets 1000] [--seconds 2] …
import { parseArgs } from "node:util";

/** US dollars, us-east-1, as https://aws.amazon.com/step-functions/pricing/, /lambda/pricing/ and /s3/pricing/ name them. */
const PRICES = {
  transition: 0.025 / 1_000,
  request: 0.2 / 1_000_000,
  gigabyteSecond: 0.0000133334,
  put: 0.005 / 1_000,
};

const USAGE = `node scripts/fleet-cost.mjs [options]
  --targets <n>   targets of the fleet (1000)
  --seconds <n>   time of the function for one target, its start included (2)
  --slices <n>    invocations that one target needs (1)
  --memory <n>    megabytes of the function (512)`;

/** States that a target passes: each slice runs and is looked at, waits before the next one, and the last is done. */
const transitionsOf = (slices) => 3 * slices;
/** States of the fleet itself, with a canary wave and a second one, on one server. */
const FLEET = { transitions: 20, invocations: 4, puts: 20 };

const names = ["targets", "seconds", "slices", "memory"];
const defaults = { targets: "1000", seconds: "2", slices: "1", memory: "512" };
const options = Object.fromEntries(names.map((name) => [name, { type: "string", default: defaults[name] }]));
const { values } = parseArgs({ options: { ...options, help: { type: "boolean", default: false } } });

function print() {
  const [targets, seconds, slices, memory] = names.map((name) => positive(name, values[name]));
  const transitions = targets * transitionsOf(slices) + FLEET.transitions;
  const invocations = targets * slices + FLEET.invocations;
  const gigabyteSeconds = (targets * seconds * slices * memory) / 1_024;
  const rows = [
    ["state transitions", transitions, PRICES.transition],
    ["invocations", invocations, PRICES.request],
    ["GB-seconds", gigabyteSeconds, PRICES.gigabyteSecond],
    ["S3 requests", FLEET.puts, PRICES.put],
  ];
  const lines = rows.map(([what, count, price]) => line(what, format(count), count * price));
  const total = rows.reduce((sum, [, count, price]) => sum + count * price, 0);
  process.stdout.write(`${[...lines, line("US dollars", "", total)].join("\n")}\n`);
}

function positive(name, text) {
  const value = Number(text);
  if (value > 0) return value;
  process.stderr.write(`--${name} ${text}: must be a number above 0\n\n${USAGE}\n`);
  process.exit(2);
}

function format(count) {
  return Math.round(count).toLocaleString("en");
}

function line(what, count, dollars) {
  return `${what.padEnd(18)}${count.padStart(8)}${dollars.toFixed(4).padStart(12)}`;
}

if (values.help) process.stdout.write(`${USAGE}\n`);
else print();
