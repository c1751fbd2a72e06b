// SPDX-License-Identifier: Apache-2.0

import type { Fragment } from "../../desired/fragment.ts";
import { rowUuid, stableMac } from "../../desired/identity.ts";
import { hasLocalnet, isUnderlay } from "../../facts/underlay.ts";
import type { WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { addGatewaySets, addSubnetGateway } from "../gateway/subnet-gateway.ts";
import {
  insideBalancerGroupId,
  loadBalancerGroupId,
  ownerUnit,
  routerId,
  routerMacId,
  routerPortId,
  switchId,
  UPLINKS_ID,
} from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { addServiceSwitch } from "../service/service-switch.ts";
import { readRaConfigs } from "./read-dhcp-options.ts";
import { addAcls } from "./subnet-acls.ts";
import { addDhcp } from "./subnet-dhcp.ts";
import type { SubnetInput } from "./subnet-input.ts";
import { addLocalnet } from "./subnet-localnet.ts";
import { addQuerierPort, multicastConfig } from "./subnet-multicast.ts";
import { addSourceGuard } from "./subnet-sources.ts";
import { addOutsideSources, addU2oRoutes, routerAddresses } from "./subnet-u2o.ts";
import { addSubnetVips } from "./subnet-vips.ts";

/** The rows of a subnet: its logical switch with its ports and rules, the port of its router, and its way out of the VPC. */
export function compileSubnetRows(input: SubnetInput): Fragment<WeftEffect> {
  const { subnet, cluster, ports, u2o } = input;
  const { name, vpc, cidr } = subnet;
  const own = routerAddresses(subnet, u2o.router);
  const build = new FragmentBuilder();
  const other_config = multicastConfig(subnet, input.multicast);
  build.row("Logical_Switch", switchId(name), { name, other_config, external_ids: externalIds() });
  addQuerierPort(build, subnet, input.multicast);
  addSubnetVips(build, subnet, input.vips);
  const inside = vpc === cluster.router && !input.isExternal ? [insideBalancerGroupId(vpc)] : [];
  for (const group of input.balanced ? [loadBalancerGroupId(vpc), ...inside] : []) {
    const [uuid, owner] = [rowUuid("Load_Balancer_Group", group), ownerUnit("Load_Balancer_Group", group)];
    build.member("Logical_Switch", switchId(name), "load_balancer_group", uuid, owner);
  }

  if (input.localnet !== undefined) addLocalnet(build, subnet, input.localnet);
  const networks = (["v4", "v6"] as const).flatMap((family) => {
    const [address, block] = [own[family], cidr[family]];
    return address && block ? [`${address}/${block.split("/")[1]}`] : [];
  });
  if (networks.length > 0) {
    const ra = subnet.enableIpv6Ra && cidr.v6 ? readRaConfigs(subnet.ipv6RaConfigs).options : {};
    build.held("Logical_Router", routerId(vpc), "ports", "Logical_Router_Port", routerPortId(ports.router), {
      name: ports.router,
      mac: u2o.router?.mac ?? stableMac(routerMacId(vpc, name)),
      networks: [...networks].sort(),
      ipv6_ra_configs: ra,
      options: subnet.routeTable === "" ? {} : { route_table: subnet.routeTable },
      external_ids: externalIds(),
    });
    const switchPort = routerPortId(ports.switch);
    build.held("Logical_Switch", switchId(name), "ports", "Logical_Switch_Port", switchPort, {
      name: ports.switch,
      type: "router",
      addresses: ["router"],
      options: {
        "router-port": ports.router,
        ...(input.proxied.length > 0 && { arp_proxy: input.proxied.join(" ") }),
      },
      external_ids: externalIds({ ls: name }),
    });
    if (vpc === cluster.router) {
      build.member("Port_Group", UPLINKS_ID, "ports", rowUuid("Logical_Switch_Port", switchPort));
    }
  }
  addDhcp(build, u2o.router === undefined ? subnet : { ...subnet, gateway: own });
  const { joinCidr } = input;
  const uplink = networks.length > 0 ? ports.switch : undefined;
  addAcls(build, subnet, joinCidr, (cidr) => input.virtualPorts[cidr] ?? []);
  if (name === cluster.joinSubnet) {
    // The join switch has the nodes and no pods. Each node adds its own port.
    addGatewaySets(build);
    if (cluster.kubeProxyReplacement === true) addServiceSwitch(build, subnet, cluster);
  } else if (!isUnderlay(subnet))
    addSourceGuard(build, subnet, {
      uplink,
      nodes: vpc === cluster.router,
      joinCidr,
      privateCidrs: input.privateCidrs,
    });
  if (vpc === cluster.router && !isUnderlay(subnet)) addSubnetGateway(build, subnet, cluster, input.gateways);
  if (uplink !== undefined && hasLocalnet(subnet)) addOutsideSources(build, subnet, ports.router, input.surroundings);
  if (u2o.router !== undefined) addU2oRoutes(build, subnet, input.surroundings);
  return build.finish();
}
