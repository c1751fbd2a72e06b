// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import type { ExplainReport } from "../explain.ts";
import { everySwitch, type ToolTarget } from "./targets.ts";
import {
  busiest,
  formatTraffic,
  type PodTraffic,
  readCounters,
  type TrafficCounters,
  trafficBetween,
} from "./traffic.ts";

/** Options of `top`. */
export interface TopQuestion {
  /** Seconds between the two readings. Open vSwitch updates its counters every 5 s. */
  readonly seconds: number;
  readonly most: number;
}

/** Runs a command in a container of a pod and resolves with its output. */
export type Capture = (target: ToolTarget) => Promise<string>;

const READ = ["ovs-vsctl", "--format=json", "--columns=external_ids,statistics", "list", "Interface"];
/** The number of nodes that are read concurrently. */
const AT_ONCE = 16;

interface Reading {
  readonly at: number;
  readonly counters: ReadonlyMap<string, TrafficCounters>;
}

/** Answers `top`: reads the counters of every node twice. A node that cannot be read is a warning. `now`: ms. Rejects with a `ToolError` or `KubeError`. */
export async function topCommand(
  kube: Kube,
  namespace: string,
  { seconds, most }: TopQuestion,
  {
    capture,
    wait,
    now,
  }: { readonly capture: Capture; readonly wait: (ms: number) => Promise<void>; readonly now: () => number },
): Promise<ExplainReport> {
  const nodes = await everySwitch(kube, namespace);
  const warnings = new Set<string>();
  const readAll = async (): Promise<ReadonlyMap<string, Reading>> => {
    const found = new Map<string, Reading>();
    const left = [...nodes];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { node, ...target } = next;
        try {
          const text = await capture({ ...target, command: READ });
          found.set(node, { at: now(), counters: readCounters(text) });
        } catch (error) {
          warnings.add(`node ${node} is left out: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return found;
  };
  const before = await readAll();
  await wait(seconds * 1000);
  const after = await readAll();
  const traffic = [...after].flatMap(([node, { at, counters }]): readonly PodTraffic[] => {
    const first = before.get(node);
    return first === undefined ? [] : trafficBetween(node, first.counters, counters, (at - first.at) / 1000);
  });
  const data = busiest(traffic, most);
  return { data, text: formatTraffic(data), ok: warnings.size === 0, warnings: [...warnings] };
}
