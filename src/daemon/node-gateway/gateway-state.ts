// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE, VENDOR } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import { linkLocalFromMac } from "../../net/mac.ts";
import { POD_LINK_TABLE } from "../../node/marks.ts";
import { type AddressState, EACH_UPLINK, type NodeState, type SysctlState, type TableState } from "../../node/state.ts";
import { INTEGRATION_BRIDGE } from "../ovs/ovs-view.ts";
import { EXTERNAL_ID } from "../ovs/ports.ts";
import { serviceState } from "../services/service-state.ts";
import { egressRoutes, egressRules } from "./egress.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { compileHostRules, HOST_TABLE } from "./host-rules.ts";
import { POD_LINK_RULES } from "./pod-link-rules.ts";

const POD_LINKS: TableState = { name: POD_LINK_TABLE, script: POD_LINK_RULES };

/** Prefix length of link-local addresses (RFC 4291 §2.5.6). */
const LINK_LOCAL_PREFIX = 64;

/** Inputs of the state besides the plan. */
export interface GatewayNode {
  readonly name: string;
  /** The datapath of br-int is in user space (`datapath_type=netdev`). */
  readonly userspace: boolean;
  /** The `external_ids` of `Open_vSwitch` that `start-ovs` has set. */
  readonly ovsSettings: Readonly<Record<string, string>>;
}

/** The node's desired state for a plan. Pure. */
export function gatewayState(plan: GatewayPlan, node: GatewayNode): NodeState {
  const link = NODE_INTERFACE;
  const { mac, mtu } = plan;
  const services = plan.services && serviceState(plan.services, { mtu, userspace: node.userspace });
  const own = plan.routes.map(({ destination, gateway, source }) => ({
    link,
    destination: destination.text,
    gateway: gateway.text,
    ...(source !== undefined && { source: source.text }),
  }));
  return {
    ovs: {
      settings: node.ovsSettings,
      bridges: [],
      ports: [
        { name: link, bridge: INTEGRATION_BRIDGE, mac, mtu, externalIds: portIds(node.name, plan) },
        ...(services?.ports ?? []),
      ],
    },
    links: [{ name: link, mac, mtu, checksumOff: node.userspace }, ...(services?.links ?? [])],
    sysctls: [...sysctls(plan), ...(services?.sysctls ?? [])],
    addresses: [...addresses(plan), ...(services?.addresses ?? [])],
    routes: [...own, ...(services?.routes ?? []), ...egressRoutes(plan.egress)],
    rules: egressRules(plan.egress),
    qdiscs: [],
    tables: [POD_LINKS, { name: HOST_TABLE, script: compileHostRules(plan.rules), link }, ...(services?.tables ?? [])],
  };
}

/**
 * The state of a node whose network another plugin owns: only Open vSwitch's settings, and the rules for pods' links,
 * which apply there too. Pure.
 */
export function noGatewayState(ovsSettings: Readonly<Record<string, string>>): NodeState {
  const ovs = { settings: ovsSettings, bridges: [], ports: [] };
  return { ovs, links: [], sysctls: [], addresses: [], routes: [], rules: [], qdiscs: [], tables: [POD_LINKS] };
}

function portIds(node: string, plan: GatewayPlan): Readonly<Record<string, string>> {
  return {
    [EXTERNAL_ID.ifaceId]: nodePortName(node),
    [EXTERNAL_ID.vendor]: VENDOR,
    [EXTERNAL_ID.ip]: plan.addresses.map(({ ip }) => ip.text).join(","),
  };
}

function hasIpv6(plan: GatewayPlan): boolean {
  return plan.addresses.some(({ ip }) => ip.family === 6);
}

function addresses(plan: GatewayPlan): readonly AddressState[] {
  const given = plan.addresses.map(({ ip, cidr }) => ({ link: NODE_INTERFACE, address: ip.text, prefix: cidr.prefix }));
  const linkLocal = hasIpv6(plan) ? linkLocalFromMac(plan.mac)?.text : undefined;
  if (linkLocal === undefined) return given;
  return [...given, { link: NODE_INTERFACE, address: linkLocal, prefix: LINK_LOCAL_PREFIX, scope: "link" }];
}

/** The kernel settings that forwarding between pods and the outside needs. */
function sysctls(plan: GatewayPlan): readonly SysctlState[] {
  const link = NODE_INTERFACE;
  return [
    { key: ["ipv4", "ip_forward"], value: "1" },
    // Replies to packets from a node's address arrive by ovn0 although the route to their sender is by another
    // interface.
    { key: ["ipv4", "conf", link, "rp_filter"], value: "2", link },
    ...(hasIpv6(plan)
      ? [
          // A forwarding node ignores router advertisements, and would lose a default route from one, unless
          // accept_ra is 2.
          { key: ["ipv6", "conf", EACH_UPLINK, "accept_ra"], value: "2", insteadOf: "1" },
          { key: ["ipv6", "conf", link, "disable_ipv6"], value: "0", link },
          { key: ["ipv6", "conf", "all", "forwarding"], value: "1" },
        ]
      : []),
  ];
}
