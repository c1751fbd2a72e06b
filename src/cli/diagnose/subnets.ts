// SPDX-License-Identifier: Apache-2.0

import type { NetworkStatus } from "../status.ts";
import type { Finding } from "./finding.ts";

/** From this share of its addresses on, a subnet is nearly full. */
const NEARLY_FULL = 0.9;

/** What is wrong with subnets and VPCs: not accepted, or full. */
export function diagnoseSubnets({ subnets, vpcs }: Pick<NetworkStatus, "subnets" | "vpcs">): readonly Finding[] {
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
    for (const [i, left] of (free ?? []).entries()) {
      const taken = used?.[i];
      if (taken === undefined || Number.isNaN(left) || taken + left === 0) continue;
      const full = left === 0;
      if (!full && taken / (taken + left) < NEARLY_FULL) continue;
      found.push({
        area: "subnet",
        object: `Subnet ${name}`,
        severity: full ? "error" : "warning",
        problem: full ? "has no free address" : "is nearly full",
        evidence: `${taken} of ${taken + left} addresses of ${cidr.split(",")[i] ?? cidr} are in use (status of the Subnet)`,
        remedy: `extend spec.cidrBlock, remove spec.excludeIps, or give namespaces another subnet; \`kubectl get ips -l ovn.kubernetes.io/subnet=${name}\` shows who has them`,
      });
    }
  }
  return found;
}
