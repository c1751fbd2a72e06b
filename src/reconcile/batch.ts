// SPDX-License-Identifier: Apache-2.0

/** What a batch is chosen from. */
export interface BatchOptions {
  /** Units with something to be committed, in the order in which that came up. */
  readonly pending: () => Iterable<string>;
  /** Units whose effects only are to be offered. */
  readonly unoffered: () => Iterable<string>;
  /** Takes the next unit that is to be compiled and compiles it; nothing: there is none left. */
  readonly compileNext: () => string | undefined;
  /** Called when there is none left. */
  readonly onCompiled: () => void;
  /** Whether a unit does not back off just now. */
  readonly isReady: (unit: string) => boolean;
  /** Whether a unit must be committed with what is dirty together with it. */
  readonly isAtomic: (unit: string) => boolean;
  /** Whether a unit has rows, and the database has none of them. */
  readonly isNew: (unit: string) => boolean;
  /** Units that count, at most. */
  readonly limit: number;
}

/**
 * Chooses the units of the next transaction, and compiles what is dirty on the way. Where a unit is `atomic` all that became dirty together goes
 * together, and only what brings new rows and is not atomic counts for the limit: a port that is not there yet carries no traffic.
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
    // What does not fit stays pending.
    if (counts && counted >= limit) return;
    batch.add(unit);
    if (counts) counted++;
  };
  // First what an earlier transaction did not bring about: a pod that is new must not get ahead of the policies for it.
  for (const unit of pending()) if (isAtomic(unit)) add(unit);
  // Behind more new ports than fit there may be ports that are there, and they must not be left out.
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
