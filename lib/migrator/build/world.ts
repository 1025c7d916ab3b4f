const DAYS_400 = 400 * 24 * 3600 * 1000 + 3_725_000;

/** Variables that Node (its module loader reads the first) and colour libraries read on their own. */
const OWN_READS = /^(WATCH_REPORT_DEPENDENCIES$|NODE_|FORCE_COLOR|NO_COLOR|COLORTERM|TERM|CI$|JEST_)/;

/**
 * Runs `work` with a clock that is more than a year ahead, and tells whether it read environment variables.
 * Used only when a changed file is about to be called changed: output that differs here was never reproducible.
 */
export async function inAnotherWorld<T>(
  work: () => Promise<T>,
): Promise<{ result: T; readEnvironment: boolean }> {
  const [RealDate, realEnv] = [globalThis.Date, process.env];
  let readEnvironment = false;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args) =>
      args.length === 0 ? new target(target.now() + DAYS_400) : Reflect.construct(target, args),
    get: (target, key) => (key === "now" ? () => target.now() + DAYS_400 : Reflect.get(target, key)),
  });
  process.env = new Proxy(realEnv, {
    get: (target, key) => {
      if (typeof key === "string" && !OWN_READS.test(key)) readEnvironment = true;
      return Reflect.get(target, key);
    },
  });
  try {
    return { result: await work(), readEnvironment };
  } finally {
    globalThis.Date = RealDate;
    process.env = realEnv;
  }
}
