// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import type { ExplainReport } from "../explain.ts";
import { everySwitch, readEach, type ToolTarget } from "./targets.ts";
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

interface Reading {
  readonly at: number;
  readonly counters: ReadonlyMap<string, TrafficCounters>;
}

/** Answers `top`: reads the counters of every node twice, of one that does not answer once. Such a node is a warning. `now`: ms. Rejects with a `ToolError` or `KubeError`. */
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
  const read = async (which: typeof nodes): Promise<ReadonlyMap<string, Reading>> => {
    const found = new Map<string, Reading>();
    const failed = await readEach(which, async ({ node, ...target }) => {
      const text = await capture({ ...target, command: READ });
      found.set(node, { at: now(), counters: readCounters(text) });
    });
    for (const warning of failed) warnings.add(warning);
    return found;
  };
  const before = await read(nodes);
  await wait(seconds * 1000);
  // One that did not answer is not asked again.
  const after = await read(nodes.filter(({ node }) => before.has(node)));
  const traffic = [...after].flatMap(([node, { at, counters }]): readonly PodTraffic[] => {
    const first = before.get(node);
    return first === undefined ? [] : trafficBetween(node, first.counters, counters, (at - first.at) / 1000);
  });
  const data = busiest(traffic, most);
  return { data, text: formatTraffic(data), ok: warnings.size === 0, warnings: [...warnings] };
}
