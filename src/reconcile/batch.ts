// SPDX-License-Identifier: Apache-2.0

/** The largest number of units in a transaction, unless {@link BatchOptions.limit} says otherwise. */
export const MAX_UNITS = 200;

/** The state that a batch is chosen from. */
export interface BatchOptions {
  /** Units with pending changes, the oldest first. */
  readonly pending: () => Iterable<string>;
  /** Units of which only the effects are to be offered. */
  readonly unoffered: () => Iterable<string>;
  /** Compiles the next dirty unit; `undefined` if there is none. */
  readonly compileNext: () => string | undefined;
  /** Called when no unit is dirty. */
  readonly onCompiled: () => void;
  /** Whether a unit is not in a back-off. */
  readonly isReady: (unit: string) => boolean;
  /** Whether a unit must be committed with what is dirty together with it. */
  readonly isAtomic: (unit: string) => boolean;
  /** Whether a unit has rows, and the database has none of them. */
  readonly isNew: (unit: string) => boolean;
  /** The largest number of units that count. */
  readonly limit: number;
}

/**
 * Chooses the units of the next transaction, and compiles dirty units to find them. If a unit is `atomic`, all units that became dirty together are
 * committed together; then only units that are not atomic and add new rows count towards the limit, because a port that does not exist yet carries no
 * traffic.
 */
export function chooseBatch(options: BatchOptions): string[] {
  const { pending, unoffered, compileNext, onCompiled, isReady, isAtomic, isNew, limit } = options;
  const batch = new Set<string>();
  let atomic = false;
  for (const unit of pending()) atomic ||= isAtomic(unit);
  let counted = 0;
  const add = (unit: string): void => {
    if (batch.has(unit) || !isReady(unit)) return;
    atomic ||= isAtomic(unit);
    const counts = !atomic || (!isAtomic(unit) && isNew(unit));
    // The others stay pending.
    if (counts && counted >= limit) return;
    batch.add(unit);
    if (counts) counted++;
  };
  // First the units left by earlier transactions: a new pod must not be committed before its policies.
  for (const unit of pending()) if (isAtomic(unit)) add(unit);
  // Existing ports may follow more new ports than fit, and must not be left out.
  while (atomic || counted < limit) {
    const unit = compileNext();
    if (unit === undefined) {
      onCompiled();
      break;
    }
    add(unit);
  }
  for (const waiting of [pending(), unoffered()]) {
    for (const unit of waiting) {
      if (!atomic && counted >= limit) break;
      add(unit);
    }
  }
  return [...batch];
}
