// SPDX-License-Identifier: Apache-2.0

/**
 * The events of a run, as a hash that two runs of one seed must share, and as lines if requested. Contains nothing
 * that differs between equal runs: no uuid chosen by a server, no real time.
 */
export class RunTrace {
  #low = 0x811c_9dc5;
  #high = 0x1234_5678;
  #count = 0;
  readonly #print: ((line: string) => void) | undefined;

  /** `print` is called with each line. */
  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  note(time: number, text: string): void {
    const line = `${time.toFixed(3)} ${text}`;
    this.#count++;
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      this.#low = Math.imul(this.#low ^ code, 0x0100_0193);
      this.#high = Math.imul(this.#high ^ code, 0x0100_01b3) + 0x9e37;
    }
    this.#print?.(line);
  }

  /** The number of lines. */
  get count(): number {
    return this.#count;
  }

  /** The hash of all lines so far. */
  get hash(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#low) + hex(this.#high);
  }
}
