// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { encodeSubnetContract } from "../../contract/subnet.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { SubnetFact, VerdictFact } from "../../facts/subnet.ts";
import { isRouted, isUnderlay } from "../../facts/underlay.ts";
import { dualValues } from "../../net/dual.ts";
import { readEgress } from "./subnet-egress.ts";
import type { Localnet } from "./subnet-localnet.ts";
import { readNatRules } from "./subnet-nat-rules.ts";

/**
 * The node contract of a subnet, see `SUBNET.nodeContract`; undefined while the subnet has not been validated: then the annotation stays. It contains
 * the accepted configuration and no conditions: a subnet that is being deleted and still has pods works as before.
 */
export function subnetContract(
  subnet: SubnetFact,
  verdict: VerdictFact,
  cluster: ClusterFact,
  egressTableOwner: string | undefined,
  localnet: Localnet | undefined,
): string | undefined {
  // A verdict without a key belongs to no subnet.
  if (verdict.key === "") return undefined;
  const { vpc, provider, cidr, natOutgoing, gatewayType, nodeNetwork } = subnet;
  // Nodes reach external networks by themselves.
  const isInside = verdict.ok && isOvnProvider(provider) && !isUnderlay(subnet);
  const routed = isInside && vpc === cluster.router;
  const { egress } = routed ? readEgress(subnet, cluster.router, egressTableOwner) : {};
  const probed = isInside && vpc !== cluster.router;
  return encodeSubnetContract({
    cidrs: routed ? dualValues(cidr) : [],
    natOutgoing,
    natSources: routed && gatewayType === "centralized" && natOutgoing ? subnet.gatewaySources.ips : [],
    natRules: routed ? readNatRules(subnet).rules : [],
    gatewayType,
    mtu: readMtu(subnet.mtu),
    // With a port of the VPC's router in the subnet, packets to other subnets go through tunnels.
    ...(verdict.ok && localnet !== undefined && !isRouted(subnet) && { network: localnet.network }),
    ...(egress && { egress }),
    ...(nodeNetwork !== "" && { nodeNetwork }),
    ...(probed && { probe: { vpc, cidrs: dualValues(cidr) } }),
  });
}

/** Objects from before a CRD with limits may have any number or none: then the node's own value is used. */
function readMtu(mtu: unknown): number {
  return typeof mtu === "number" && Number.isInteger(mtu) && mtu >= 0 && mtu <= 65_535 ? mtu : 0;
}
