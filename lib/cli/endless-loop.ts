import { Worker } from "node:worker_threads";

/** How long a command that can still answer takes to end at the second signal. */
const PATIENCE_MS = 1_000;

/**
 * Ends this process at the second signal even if code of a migration never gives control back, so that no listener of
 * this thread is called: a second thread counts signals too. Node has no public way to do that in a thread; where the
 * one used here is missing, such a process ends by SIGKILL only.
 */
export function endAtSecondSignal(message: string): void {
  const worker = new Worker(WATCH, { eval: true, workerData: { message, patience: PATIENCE_MS } });
  worker.on("error", () => {});
  worker.unref();
}

const WATCH = `
process.noDeprecation = true;
const { writeSync } = require("node:fs");
const { workerData } = require("node:worker_threads");
const { Signal } = process.binding("signal_wrap");
let received = 0;
const end = () => {
  writeSync(2, workerData.message);
  process.kill(process.pid, "SIGKILL");
};
for (const signal of [1, 2, 15]) {
  const watch = new Signal();
  watch.onsignal = () => {
    received += 1;
    if (received === 2) setTimeout(end, workerData.patience);
  };
  watch.start(signal);
}
`;
