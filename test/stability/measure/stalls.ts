// SPDX-License-Identifier: Apache-2.0

import type { Target } from "../targets/target.ts";

/**
 * A time in which a node's ovs-vswitchd did not look at anything, as it logs itself: it computed, or got no processor. With the datapath in userspace, and no
 * PMD threads, no packet is forwarded then.
 */
export interface Stall {
  readonly node: string;
  /** When it ended, in ms from the beginning of the load. */
  readonly at: number;
  /** How long it was, in ms. */
  readonly ms: number;
  /** For how much of that it had a processor, in ms. */
  readonly computedMs: number;
}

/** Where `start-ovs` has the programs of Open vSwitch write their log (`hack/image/root/opt/weft/bin/common.sh`). */
const LOG = "/run/weft-log/ovs.log";
/** `log_poll_interval` in lib/timeval.c of Open vSwitch. Other threads have their names in parentheses after "timeval". */
const LINE = /^(\S+)\|\d+\|timeval\|WARN\|Unreasonably long (\d+)ms poll interval \((\d+)ms user, (\d+)ms system\)$/gm;

/** The stalls in a log of ovs-vswitchd that ended at `since` (ms since the epoch) or later; `at` is counted from there. */
export function stallsIn(log: string, node: string, since: number): readonly Stall[] {
  return [...log.matchAll(LINE)].flatMap(([, time = "", ms, user, system]) => {
    const at = Date.parse(time) - since;
    return at >= 0 ? [{ node, at, ms: Number(ms), computedMs: Number(user) + Number(system) }] : [];
  });
}

/** The stalls of all nodes since the load began (ms since the epoch). Nodes whose log cannot be read have none. */
export async function stallsSince(target: Target, since: number): Promise<readonly Stall[]> {
  const switches = await target.processes({ name: "vswitchd" }).catch(() => []);
  const logs = switches.map(async (process) => {
    const log = await target.beside(process, ["sed", "-n", "/Unreasonably long/p", LOG]).catch(() => "");
    return stallsIn(log, process.node, since);
  });
  return (await Promise.all(logs)).flat().toSorted((a, b) => a.at - b.at);
}
