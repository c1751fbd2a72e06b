// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import type { Database, Effect } from "../desired/fragment.ts";
import { splitUnitId } from "../desired/unit-kind.ts";
import type { Compiled, Tracker } from "./tracker.ts";

/** What {@link UnitCompiler} uses. */
export interface UnitCompilerOptions<E extends Effect> {
  readonly tracker: Tracker<E>;
  readonly failures: Failures;
  /** The database that all rows must belong to. */
  readonly database: Database;
  /** A unit that could not be compiled has been marked dirty again after its back-off. */
  readonly onRetry: () => void;
  /** The last unit that could not be compiled has been compiled. */
  readonly onAllCompiled: () => void;
}

/** Compiles units one by one. A unit that throws is reported, keeps its rows, and is retried after a back-off; the others are not affected. */
export class UnitCompiler<E extends Effect> {
  readonly #options: UnitCompilerOptions<E>;
  readonly #failed = new Set<string>();
  #waiting: (() => void)[] = [];

  constructor(options: UnitCompilerOptions<E>) {
    this.#options = options;
  }

  /** Units that could not be compiled at the last attempt. */
  get failed(): ReadonlySet<string> {
    return this.#failed;
  }

  /** Resolves when every unit that failed has been compiled. */
  whenCompiled(): Promise<void> {
    if (this.#failed.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What the unit compiles to; `undefined` if it cannot be compiled. */
  compile(unit: string): Compiled<E> | undefined {
    const { tracker, failures, database, onRetry, onAllCompiled } = this.#options;
    const subject = { part: "unit", where: "", ...splitUnitId(unit) } as const;
    try {
      const compiled = tracker.compile(unit, (fragment) => {
        if (fragment.database !== database)
          throw new Error(`its rows belong to database ${fragment.database}, not ${database}`);
      });
      failures.succeeded(subject);
      if (this.#failed.delete(unit) && this.#failed.size === 0) {
        onAllCompiled();
        for (const resolve of this.#waiting.splice(0)) resolve();
      }
      return compiled;
    } catch (cause) {
      this.#failed.add(unit);
      const why = cause instanceof Error ? cause.message : String(cause);
      const error = new Error(`failed to compile (${why})`, { cause });
      failures.failed(subject, error, () => {
        tracker.mark(unit);
        onRetry();
      });
      return undefined;
    }
  }
}
