// SPDX-License-Identifier: Apache-2.0

import { type Spread, spread } from "./statistics.ts";
import type { TopologyChange } from "./topology-world.ts";

/** One kind of change at full size. */
export interface CommittedChange {
  readonly what: string;
  /** From the request until the last transaction that it caused was committed, ms. */
  readonly ms: Spread;
  /** Means of one change; CPU in ms, that of the controller with the API server in the same process. */
  readonly transactions: number;
  readonly operations: number;
  readonly units: number;
  readonly controllerCpuMs: number;
  readonly northdCpuMs: number;
}

/** The figures of changes of one kind. `northdCpuMs`: of all of them. */
export function committedChange(what: string, of: readonly TopologyChange[], northdCpuMs: number): CommittedChange {
  const mean = (get: (change: TopologyChange) => number): number =>
    of.reduce((sum, one) => sum + get(one), 0) / of.length;
  return {
    what,
    ms: spread(of.map(({ ms }) => ms)),
    transactions: mean(({ transactions }) => transactions),
    operations: mean(({ operations }) => operations),
    units: mean(({ units }) => units),
    controllerCpuMs: mean(({ cpuMs }) => cpuMs),
    northdCpuMs: northdCpuMs / of.length,
  };
}
