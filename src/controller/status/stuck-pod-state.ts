// SPDX-License-Identifier: Apache-2.0

import { podUnit } from "../../compile/pod/pod.ts";
import { unitId } from "../../desired/unit-kind.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import { addressState } from "../allocation/address-state.ts";
import type { Allocator } from "../allocation/allocator.ts";

/** What the state of a pod is read from. */
export interface StuckPodSources {
  readonly facts: FactReader;
  readonly allocator: Allocator;
  readonly engine: { stateOf(unit: string): string };
}

/** The progress of a pod that has no network, for the log. */
export function stuckPodState(
  pod: PodFact,
  { facts, allocator, engine }: StuckPodSources,
): Readonly<Record<string, string | undefined>> {
  return {
    pod: pod.key,
    node: pod.node,
    address: addressState(facts, allocator, pod),
    unit: engine.stateOf(unitId(podUnit.name, pod.holder)),
  };
}
