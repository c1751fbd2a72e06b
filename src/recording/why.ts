// SPDX-License-Identifier: Apache-2.0

import { splitUnitId } from "../desired/unit-kind.ts";
import type { Dependency } from "../facts/dependency.ts";
import { recordingReader } from "../facts/store.ts";
import { UNIT_KINDS } from "../kinds/units.ts";
import type { RecordedChange, RecordedCommit, Replay } from "./replay.ts";

/** The facts that a unit reads. Empty if the unit does not exist any more. */
export function dependenciesOf(replay: Replay, unit: string): readonly Dependency[] {
  const { kind, key } = splitUnitId(unit);
  const seen: Dependency[] = [];
  try {
    UNIT_KINDS.find(({ name }) => name === kind)?.read(recordingReader(replay.facts, seen), key);
  } catch {
    // The facts that it read before are used.
  }
  return seen;
}

/**
 * Why a transaction changed a unit: the changes, since the transaction before it that changed the same unit, of facts that the unit reads or exists because of;
 * newest first. Empty if the cause is older than the kept changes, or if another client had changed the rows.
 */
export function causesOf(
  replay: Replay,
  commit: RecordedCommit,
  unit: string,
  most: number,
): readonly RecordedChange[] {
  const { first, list } = replay.changes;
  const earlier = replay.commits.filter((one) => one.after < commit.after && one.units.includes(unit));
  const since = earlier.at(-1)?.after ?? 0;
  const read = new Set(dependenciesOf(replay, unit).map(nameOf));
  const causes: RecordedChange[] = [];
  for (let i = commit.after - 1; i >= Math.max(since, first) && causes.length < most; i--) {
    const one = list[i - first];
    if (one === undefined) continue;
    if (one.roots.includes(unit) || one.change.touched.some((touched) => read.has(nameOf(touched)))) causes.push(one);
  }
  return causes;
}

function nameOf({ topic, value }: Dependency): string {
  return `${topic}\0${value}`;
}
