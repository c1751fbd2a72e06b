// SPDX-License-Identifier: Apache-2.0

import type { FragmentBuilder } from "../fragment-builder.ts";
import { externalIds } from "../rows.ts";

/** How endpoints are checked: every 5 s; three failures remove an endpoint, two successes restore it (ovn-nb(5) Load_Balancer_Health_Check). */
const CHECK_OPTIONS = { interval: "5", timeout: "5", success_count: "2", failure_count: "3" };

/** Adds the health checks of a load balancer's VIPs, all of one protocol that OVN can check. */
export function addHealthChecks(
  build: FragmentBuilder,
  balancerId: string,
  vips: readonly string[],
  { namespace, name: service }: { readonly namespace: string; readonly name: string },
): void {
  for (const vip of vips) {
    build.held("Load_Balancer", balancerId, "health_check", "Load_Balancer_Health_Check", `${balancerId}/${vip}`, {
      vip,
      options: CHECK_OPTIONS,
      external_ids: externalIds({ namespace, service }),
    });
  }
}
