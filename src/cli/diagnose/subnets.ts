// SPDX-License-Identifier: Apache-2.0

import { NEARLY_FULL, usedShare } from "../../net/nearly-full.ts";
import type { NetworkStatus } from "../status.ts";
import type { Finding } from "./finding.ts";

/** How many addresses of a family IP objects hold in a subnet. */
export type RecordedAddresses = (subnet: string, family: 4 | 6) => number;

/**
 * What is wrong with subnets and VPCs: not accepted, or full. `recorded` counts for a subnet that has just filled up: its status is written every ten seconds at
 * most.
 */
export function diagnoseSubnets(
  { subnets, vpcs }: Pick<NetworkStatus, "subnets" | "vpcs">,
  recorded: RecordedAddresses = () => 0,
): readonly Finding[] {
  const found: Finding[] = [];
  for (const [kind, list] of [
    ["Subnet", subnets],
    ["Vpc", vpcs],
  ] as const)
    for (const { name, ready } of list)
      if (ready !== "yes")
        found.push({
          ...{ area: "subnet", object: `${kind} ${name}`, severity: "error", problem: "is not ready" },
          evidence: `condition Ready: ${ready === "unknown" ? "none yet" : ready.replace(/^NO: /, "")}`,
          remedy:
            ready === "unknown"
              ? "is a controller leading? see `weftctl status`"
              : "change what the message names; until then the last accepted configuration stays active",
        });
  for (const { name, using, available, cidr } of subnets) {
    const [used, free] = [using, available].map((text) => text.split(",").map(Number));
    for (const [i, open] of (free ?? []).entries()) {
      const counted = used?.[i];
      if (counted === undefined || Number.isNaN(open) || counted + open === 0) continue;
      const family = (cidr.split(",")[i] ?? cidr).includes(":") ? 6 : 4;
      const taken = Math.min(counted + open, Math.max(counted, recorded(name, family)));
      const left = counted + open - taken;
      const full = left === 0;
      if (!full && usedShare(taken, left) < NEARLY_FULL) continue;
      found.push({
        area: "subnet",
        object: `Subnet ${name}`,
        severity: full ? "error" : "warning",
        problem: full ? "has no free address" : "is nearly full",
        evidence: `${taken} of ${taken + left} addresses of ${cidr.split(",")[i] ?? cidr} are in use (${taken > counted ? "IP objects" : "status of the Subnet"})`,
        remedy: `extend spec.cidrBlock, remove spec.excludeIps, or give namespaces another subnet; \`kubectl get ips -l ovn.kubernetes.io/subnet=${name}\` shows who has them`,
      });
    }
  }
  return found;
}
