// SPDX-License-Identifier: Apache-2.0

import { type Atom, type ColumnCodec, compareAtoms, setOwn, type Value } from "./value.ts";

/**
 * Applies the difference of a "modify" in an update2 or update3 notification (ovsdb-server(7) §4.1.14) to the old
 * value: sets exchange the members that only one of the two has, maps their pairs likewise, single values (also
 * optional ones) are replaced. Neither argument is changed. Applying the same difference twice gives the old value,
 * so none may be applied twice.
 */
export function applyDelta(codec: ColumnCodec, old: Value, delta: Value): Value {
  switch (codec.kind) {
    case "scalar":
    case "optional":
      return delta;
    case "set":
      return exchangeMembers(old as readonly Atom[], delta as readonly Atom[]);
    case "map":
      return exchangePairs(old as Readonly<Record<string, Atom>>, delta as Readonly<Record<string, Atom>>);
  }
}

/** Differences up to this size are spliced in one by one, at the speed of copying memory. */
const FEW = 3;

/** Both are sorted. Adding one port to a set of 100,000 must not visit every member. */
function exchangeMembers(old: readonly Atom[], delta: readonly Atom[]): readonly Atom[] {
  if (old.length === 0) return delta;
  if (delta.length <= FEW) {
    let merged = old;
    for (const member of delta) {
      const at = position(merged, member, 0);
      merged = merged[at] === member ? merged.toSpliced(at, 1) : merged.toSpliced(at, 0, member);
    }
    return merged;
  }
  const merged: Atom[] = [];
  let from = 0;
  for (const member of delta) {
    const at = position(old, member, from);
    for (; from < at; from++) merged.push(old[from] as Atom);
    if (old[at] === member) from = at + 1;
    else merged.push(member);
  }
  for (; from < old.length; from++) merged.push(old[from] as Atom);
  return merged;
}

/** The index of the first member that is not below `member`. */
function position(set: readonly Atom[], member: Atom, from: number): number {
  let low = from;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareAtoms(set[middle] as Atom, member) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function exchangePairs(
  old: Readonly<Record<string, Atom>>,
  delta: Readonly<Record<string, Atom>>,
): Readonly<Record<string, Atom>> {
  const merged: Record<string, Atom> = { ...old };
  for (const [key, value] of Object.entries(delta)) {
    if (Object.hasOwn(old, key) && old[key] === value) delete merged[key];
    else setOwn(merged, key, value);
  }
  return merged;
}
