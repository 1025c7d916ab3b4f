import type { Session } from "../../postgres/index.ts";

/** Milliseconds that the way to the server and back takes. */
export async function roundTrip(session: Session): Promise<number> {
  const times: number[] = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const startedAt = performance.now();
    await session.run("SELECT");
    times.push(performance.now() - startedAt);
  }
  return Math.min(...times);
}

/** Counts the time in which statements of one migration run, without the way to the server and the queries between them. */
export class Clock {
  readonly #roundTripMs: number;
  #doneMs = 0;
  #startedAt: number | undefined;

  constructor(roundTripMs: number) {
    this.#roundTripMs = roundTripMs;
  }

  reset(): void {
    this.#doneMs = 0;
  }

  get now(): number {
    return this.#doneMs + (this.#startedAt === undefined ? 0 : this.#since(this.#startedAt));
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    this.#startedAt = startedAt;
    try {
      return await work();
    } finally {
      this.#startedAt = undefined;
      this.#doneMs += this.#since(startedAt);
    }
  }

  #since(startedAt: number): number {
    return Math.max(0, performance.now() - startedAt - this.#roundTripMs);
  }
}
