/** The process of the whole run: a worker's parent, or this one when tests run in band. */
export function jestPid(): number {
  return process.connected ? process.ppid : process.pid;
}
