// SPDX-License-Identifier: Apache-2.0

import { readBlock } from "./addresses.ts";
import { type ClusterView, DEFAULT_VPC_NAME, JOIN } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import { isSplit } from "./gateways.ts";
import { isHostileRange } from "./hostile.ts";

const PRIORITY = 29_000;

/**
 * How traffic leaves the default VPC: that of subnets with a distributed gateway, and no other, leaves through the sender's node; each joined node has the policy
 * for that, to its own address; and a centralized subnet's policy leads to addresses of nodes that it names.
 */
export function wrongWaysOut({
  picture,
  northbound,
}: {
  picture: ClusterView;
  northbound: NorthboundServer;
}): string[] {
  const found: string[] = [];
  const routed = picture.subnets.filter(
    ({ onOvn, name, vpc, accepted, object }) =>
      accepted && onOvn && vpc === DEFAULT_VPC_NAME && name !== JOIN && !(object.spec as { vlan?: string }).vlan,
  );
  const sets = new Map(northbound.rows("Address_Set").map(({ name, addresses }) => [name, addresses]));
  for (const how of ["distributed", "nat"] as const) {
    const subnets = routed.filter((subnet) => {
      const { natOutgoing } = (subnet.object.spec ?? {}) as { readonly natOutgoing?: unknown };
      return (!subnet.centralized || isSplit(picture, subnet)) && (how === "distributed" || natOutgoing === true);
    });
    for (const family of [4, 6] as const) {
      const name = `weft_${how}_ip${family}`;
      const wanted = subnets.flatMap(({ blocks }) => blocks.filter((block) => block.family === family)).map(textOf);
      const ranges = (sets.get(name) ?? []).filter((cidr) => !isHostileRange(cidr));
      const actual = ranges.map((cidr) => textOf(readBlock(cidr)));
      if (wanted.toSorted().join() !== actual.toSorted().join())
        found.push(`address set ${name} has ${actual.join() || "nothing"}, not ${wanted.join() || "nothing"}`);
    }
  }
  const policies = northbound.rows("Logical_Router_Policy").filter(({ priority }) => priority === PRIORITY);
  const joins = new Map(
    picture.nodes.map(({ name }) => [name, picture.ips.find((ip) => ip.name === `node-${name}`)?.addresses ?? []]),
  );
  for (const [node, addresses] of joins) {
    for (const address of addresses) {
      const [ip, family] = address.includes(":") ? (["ip6", 6] as const) : (["ip4", 4] as const);
      const match = `${ip}.src == $weft_distributed_ip${family} && is_chassis_resident("node-${node}")`;
      const hops = policies.flatMap((policy) => (policy.match === match ? [policy.nexthops.join()] : []));
      if (hops.join(" ") !== address)
        found.push(`pods of ${node} leave by ${hops.join(" ") || "nothing"}, not ${address}`);
    }
  }
  for (const subnet of routed) {
    const { name, centralized, blocks, object } = subnet;
    const { gatewayNode = "" } = (object.spec ?? {}) as { readonly gatewayNode?: string };
    const families = blocks.map(({ family }) => family);
    const named = gatewayNode
      .split(",")
      .flatMap((node) => joins.get(node.trim()) ?? [])
      .filter((address) => families.includes(address.includes(":") ? 6 : 4));
    const own = policies.filter(({ external_ids }) => external_ids["subnet"] === name);
    const hops = own.flatMap(({ nexthops }) => nexthops);
    const strange = hops.filter((hop) => !centralized || !named.includes(hop));
    if (strange.length > 0) found.push(`subnet ${name} leaves by ${strange.join()}, which is none of its gateways`);
    if (centralized && named.length > 0 && hops.length === 0 && !isSplit(picture, subnet))
      found.push(`subnet ${name} leaves by none of its gateways`);
  }
  return found;
}

function textOf(block: ReturnType<typeof readBlock>): string {
  return block === undefined ? "nonsense" : `${block.family}/${block.first}-${block.last}`;
}
