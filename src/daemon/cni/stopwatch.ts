// SPDX-License-Identifier: Apache-2.0

/** Measures the parts of one request. Parts may overlap, so their sum may exceed the total. */
export class Stopwatch {
  readonly #now: () => number;
  readonly #started: number;
  /** part → milliseconds. */
  readonly #parts: Record<string, number> = {};
  readonly #onPart: (part: string, ms: number) => void;
  #phase: { readonly part: string; readonly from: number } | undefined;

  /** @param now a monotonic clock in milliseconds; `onPart` is called when a part has ended, after so many milliseconds. */
  constructor(
    now: () => number = () => performance.now(),
    onPart: (part: string, ms: number) => void = () => undefined,
  ) {
    this.#now = now;
    this.#onPart = onPart;
    this.#started = now();
  }

  /** Runs `work` and adds its time to `part`, also when it fails. */
  async measure<R>(part: string, work: () => Promise<R>): Promise<R> {
    const from = this.#now();
    try {
      return await work();
    } finally {
      this.#add(part, from);
    }
  }

  /** Ends the current part and begins `part`, if given. Naming the same part again continues it. */
  phase(part: string | undefined): void {
    if (this.#phase?.part === part) return;
    if (this.#phase !== undefined) this.#add(this.#phase.part, this.#phase.from);
    this.#phase = part === undefined ? undefined : { part, from: this.#now() };
  }

  /** Milliseconds of each part so far. */
  get parts(): Readonly<Record<string, number>> {
    return this.#parts;
  }

  /** Milliseconds since the beginning. */
  get total(): number {
    return this.#now() - this.#started;
  }

  #add(part: string, from: number): void {
    const ms = this.#now() - from;
    this.#parts[part] = (this.#parts[part] ?? 0) + ms;
    this.#onPart(part, ms);
  }
}
