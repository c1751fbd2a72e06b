// SPDX-License-Identifier: Apache-2.0

import { nodePortName } from "../../api/port-names.ts";
import type { NodeServicesText } from "../../contract/node.ts";
import { rowUuid, stableMac } from "../../desired/identity.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { ipFromValue, parseIp } from "../../net/address.ts";
import { type Cidr, cidrContains, cidrOf, cidrSize, lastAddress, parseCidr } from "../../net/cidr.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { insideBalancerGroupId, loadBalancerGroupId, ownerUnit, routerId, serviceSwitchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/**
 * Without kube-proxy, nodes reach Services by a switch of their own, which has the load balancers of the default VPC, and on which each node has a
 * second port, `ovn-services`. The join switch is not used for this: traffic between nodes and pods without a Service stays out of conntrack, and
 * traffic balanced to an endpoint outside the VPC leaves by `ovn0`, a port with another conntrack zone. In one zone the two halves of such a
 * connection, to the Service's address and to the endpoint's, would have the same reply.
 *
 * **A node's address there** is its join address with the highest host bit set: unique, without an allocation. It is the source of all packets of the
 * node to Services, for itself and for clients outside. No interface of the node has it, so replies to it are routed back into OVN, which restores
 * the Service's address. The upper half of the join subnet is this switch's network, so nodes must not be given join addresses from it.
 */
export function addServiceSwitch(build: FragmentBuilder, join: SubnetFact, { router }: ClusterFact): void {
  const networks = halves(join.cidr).flatMap(({ upper, half }) => {
    const gateway = moved(join.gateway, upper, half);
    return gateway === undefined ? [] : [`${gateway}/${upper.prefix}`];
  });
  if (networks.length === 0) return;
  const id = serviceSwitchId(join.name);
  build.row("Logical_Switch", id, { name: id, external_ids: externalIds() });
  for (const group of [loadBalancerGroupId(router), insideBalancerGroupId(router)]) {
    const [uuid, owner] = [rowUuid("Load_Balancer_Group", group), ownerUnit("Load_Balancer_Group", group)];
    build.member("Logical_Switch", id, "load_balancer_group", uuid, owner);
  }
  const [routerPort, switchPort] = [`${router}-${id}`, `${id}-${router}`];
  build.held("Logical_Router", routerId(router), "ports", "Logical_Router_Port", routerPort, {
    name: routerPort,
    mac: stableMac(routerPort),
    networks: networks.sort(),
    ipv6_ra_configs: {},
    external_ids: externalIds(),
  });
  build.held("Logical_Switch", id, "ports", "Logical_Switch_Port", switchPort, {
    name: switchPort,
    type: "router",
    addresses: ["router"],
    options: { "router-port": routerPort },
    external_ids: externalIds({ ls: id }),
  });
}

/**
 * Priority of the policy that sends traffic balanced to an endpoint outside the VPC back to the node it came from; the others are in
 * `POLICY_PRIORITY`.
 */
const RETURN_PRIORITY = 30700;

/**
 * Adds a node's port on that switch, and the route for replies to it.
 * @param addresses the node's addresses in the join subnet.
 * @param cidrs the ranges of Services.
 * @returns the node's contract for Services; no sources if its join address is in the upper half.
 */
export function addNodeServices(
  build: FragmentBuilder,
  node: string,
  addresses: Dual<string>,
  join: SubnetFact,
  { router }: ClusterFact,
  cidrs: readonly string[],
): NodeServicesText {
  const [sources, gateways] = serviceAddresses(addresses, join);
  const [id, port] = [serviceSwitchId(join.name), `${nodePortName(node)}/services`];
  const mac = stableMac(port);
  if (dualValues(sources).length > 0) {
    build.held("Logical_Switch", id, "ports", "Logical_Switch_Port", port, {
      name: port,
      type: "",
      addresses: [[mac, ...dualValues(sources)].join(" ")],
      external_ids: externalIds({ ls: id }),
    });
  }
  for (const [family, word] of [
    ["v4", "ip4"],
    ["v6", "ip6"],
  ] as const) {
    const [source, hop] = [sources[family], addresses[family]];
    if (source === undefined || hop === undefined) continue;
    build.held("Logical_Router", routerId(router), "policies", "Logical_Router_Policy", `${port}/${family}`, {
      priority: RETURN_PRIORITY,
      match: `${word}.src == ${source}`,
      action: "reroute",
      nexthops: [hop],
      external_ids: externalIds({ node, "address-family": family === "v4" ? "4" : "6" }),
    });
  }
  return { mac, portName: port, sources, gateways, cidrs, vpc: router };
}

/** A node's addresses on the switch of Services, and the gateways there. */
export function serviceAddresses(
  addresses: Dual<string>,
  join: Pick<SubnetFact, "cidr" | "gateway">,
): readonly [sources: Dual<string>, gateways: Dual<string>] {
  const sources: { v4?: string; v6?: string } = {};
  const gateways: { v4?: string; v6?: string } = {};
  for (const { family, upper, half } of halves(join.cidr)) {
    const [source, gateway] = [moved(addresses, upper, half), moved(join.gateway, upper, half)];
    if (source === undefined || gateway === undefined) continue;
    sources[family] = source;
    gateways[family] = gateway;
  }
  return [sources, gateways];
}

/** Why a node cannot reach Services by some of its join addresses; undefined if it can by all. */
export function serviceSourceProblem(
  addresses: Dual<string>,
  { name, cidr, gateway }: Pick<SubnetFact, "name" | "cidr" | "gateway">,
): { readonly reason: string; readonly message: string } | undefined {
  const [sources] = serviceAddresses(addresses, { cidr, gateway });
  const without = (["v4", "v6"] as const).flatMap((family) =>
    sources[family] === undefined ? (addresses[family] ?? []) : [],
  );
  if (without.length === 0) return undefined;
  const message = `the node cannot reach Services through ${without.join(" and ")}: join addresses must be in the lower half of subnet "${name}" (${dualValues(cidr).join(",")}) without kube-proxy; run kube-proxy, or drain the node, delete its Node object and restart its kubelet`;
  return { reason: "JoinAddressInUpperHalf", message };
}

/** The addresses that nodes must not be given, in the form of `spec.excludeIps`. `cidrs`: the join subnet's `cidrBlock`. */
export function serviceSwitchRanges(cidrs: string): readonly string[] {
  const [v4, v6] = [
    cidrs.split(",").find((text) => !text.includes(":")),
    cidrs.split(",").find((t) => t.includes(":")),
  ];
  return halves({ ...(v4 && { v4 }), ...(v6 && { v6 }) }).map(
    ({ upper }) => `${ipFromValue(upper.family, upper.base).text}..${lastAddress(upper).text}`,
  );
}

interface Half {
  readonly family: "v4" | "v6";
  readonly upper: Cidr;
  /** Number of addresses. */
  readonly half: bigint;
}

function halves(cidrs: Dual<string>): readonly Half[] {
  return (["v4", "v6"] as const).flatMap((family) => {
    const block = parseCidr(cidrs[family] ?? "");
    // Room for a gateway, a node, and the network and broadcast addresses of IPv4.
    if (block === undefined || cidrSize(block) < 8n) return [];
    const half = cidrSize(block) / 2n;
    const upper = cidrOf(ipFromValue(block.family, block.base + half), block.prefix + 1);
    return upper === undefined ? [] : [{ family, upper, half }];
  });
}

/** An address of the lower half, moved to the upper half; undefined if it is not in the lower half. */
function moved(addresses: Dual<string>, upper: Cidr, half: bigint): string | undefined {
  const ip = parseIp(addresses[upper.family === 4 ? "v4" : "v6"] ?? "");
  if (ip === undefined || ip.family !== upper.family || ip.value >= upper.base) return undefined;
  const other = ipFromValue(ip.family, ip.value + half);
  return cidrContains(upper, other) && other.value !== upper.base && other.text !== lastAddress(upper).text
    ? other.text
    : undefined;
}
