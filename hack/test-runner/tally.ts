// SPDX-License-Identifier: Apache-2.0

import type { FileResult } from "./test-file.ts";

/** The number of a file's tests that the closing line names. */
const NAMED = 3;
/**
 * The number of files of a run that may fail once and pass when repeated: two busy cores can be late once. More is a
 * fault of tests or of Weft.
 */
const FLAKY_ALLOWED = 1;

/** The result of a run: counts of assertions and checks, failures, and files that passed only on the second try. */
export class Tally {
  readonly #failures: string[] = [];
  readonly #flaky: string[] = [];
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  /** Adds a check that is not a test file (lint, types, a lab that does not start). */
  addCheck(title: string, passed: boolean): void {
    if (passed) this.#passed++;
    else {
      this.#failed++;
      this.#failures.push(title);
    }
  }

  /** Adds a file's result: that of its last try, if it had several. */
  addFile({ file, passed, failed, skipped, failedTests }: FileResult): void {
    this.#passed += passed;
    this.#failed += failed;
    this.#skipped += skipped;
    if (failed > 0) this.#failures.push(named(file, failedTests));
  }

  /** Records that the file of a failed result has passed on its second try. */
  addFlaky({ file, failedTests }: FileResult): void {
    this.#flaky.push(named(file, failedTests));
  }

  /** Whether the run passed: something did, nothing failed, and not more than one file needed a second try. */
  get ok(): boolean {
    return this.#passed > 0 && this.#failed === 0 && this.#flaky.length <= FLAKY_ALLOWED;
  }

  /** The closing line: counts, then what failed, then what was flaky. */
  toString(): string {
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : "";
    const failures = this.#failures.length > 0 ? `: ${this.#failures.join("; ")}` : "";
    const flaky =
      this.#flaky.length > 0 ? `; ${this.#flaky.length} passed only on the second try: ${this.#flaky.join("; ")}` : "";
    const tooMany = this.#flaky.length > FLAKY_ALLOWED ? ` (more than ${FLAKY_ALLOWED}, so the run fails)` : "";
    return `${this.#passed} passed, ${this.#failed} failed${skipped}${failures}${flaky}${tooMany}`;
  }
}

function named(file: string, tests: readonly string[]): string {
  const shown = tests.slice(0, NAMED).map((name) => `"${name}"`);
  if (tests.length > NAMED) shown.push(`${tests.length - NAMED} more`);
  return shown.length === 0 ? file : `${file} (${shown.join(", ")})`;
}
