/** One thing that left a function: a line of its log, an answer, an error. */
export interface Emission {
  /** Name of the function, or what else it came from. */
  readonly source: string;
  readonly kind: "log" | "answer" | "response" | "history";
  readonly text: string;
}

/** Everything that somebody without the secret could read. */
export class Recorder {
  readonly #emissions: Emission[] = [];

  add(emission: Emission): void {
    this.#emissions.push(emission);
  }

  get emissions(): readonly Emission[] {
    return this.#emissions;
  }

  /** What came after the first `count` emissions. */
  since(count: number): readonly Emission[] {
    return this.#emissions.slice(count);
  }
}
