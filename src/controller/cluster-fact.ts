// SPDX-License-Identifier: Apache-2.0

import type { ClusterFact } from "../facts/cluster.ts";
import { parseDualCidr } from "../net/dual.ts";
import type { Settings } from "./settings.ts";

/** The fact of the cluster's settings that units and allocation read. */
export function clusterFact(settings: Settings): ClusterFact {
  return {
    key: "cluster",
    router: settings.clusterRouter,
    defaultSubnet: settings.defaultSubnet,
    joinSubnet: settings.nodeSwitch,
    serviceCidr: cidrTexts(settings.serviceCidr),
    nodeRanges: settings.nodeCidrs,
    nodePorts: settings.nodePorts,
    ...(settings.kubeProxyReplacement && { kubeProxyReplacement: true }),
    ...(settings.nonPrimary && { nonPrimary: true }),
    keepVmIp: settings.keepVmIp,
    ...(settings.sampledPercent > 0 && { sampling: Math.max(1, Math.round((settings.sampledPercent / 100) * 65_535)) }),
  };
}

function cidrTexts(text: string): { v4?: string; v6?: string } {
  const { v4, v6 } = parseDualCidr(text) ?? {};
  return { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) };
}
