// SPDX-License-Identifier: Apache-2.0

import { SERVICE_INTERFACE, VENDOR } from "../../api/names.ts";
import { hostCidr } from "../../net/cidr.ts";
import { linkLocalFromMac } from "../../net/mac.ts";
import type { AddressState, LinkState, OvsPortState, RouteState, SysctlState, TableState } from "../../node/state.ts";
import { INTEGRATION_BRIDGE } from "../ovs/ovs-view.ts";
import { EXTERNAL_ID } from "../ovs/ports.ts";
import { compileServiceRules, SERVICE_TABLE, type ServiceRulesInput } from "./service-rules.ts";

/** The state that a node needs to reach Services through OVN. */
export interface ServiceState {
  readonly ports: readonly OvsPortState[];
  readonly links: readonly LinkState[];
  readonly sysctls: readonly SysctlState[];
  readonly addresses: readonly AddressState[];
  readonly routes: readonly RouteState[];
  readonly tables: readonly TableState[];
}

/**
 * The interface on the switch of Services, its routes, and the nftables rules. The interface has only an IPv6 link-local address, without which the
 * kernel sends no neighbour solicitations: the rules give packets to Services their source. Pure.
 */
export function serviceState(
  input: ServiceRulesInput,
  { mtu, userspace }: { readonly mtu: number; readonly userspace: boolean },
): ServiceState {
  const link = SERVICE_INTERFACE;
  const { mac, portName, sources, gateways, cidrs } = input.contract;
  const isV6 = sources.some(({ family }) => family === 6);
  const linkLocal = isV6 ? linkLocalFromMac(mac)?.text : undefined;
  const externalIds = { [EXTERNAL_ID.ifaceId]: portName, [EXTERNAL_ID.vendor]: VENDOR };
  return {
    ports: [{ name: link, bridge: INTEGRATION_BRIDGE, mac, mtu, externalIds }],
    links: [{ name: link, mac, mtu, checksumOff: userspace }],
    sysctls: [
      { key: ["ipv4", "conf", link, "rp_filter"], value: "2", link },
      ...(isV6 ? [{ key: ["ipv6", "conf", link, "disable_ipv6"], value: "0", link }] : []),
    ],
    addresses: linkLocal === undefined ? [] : [{ link, address: linkLocal, prefix: 64, scope: "link" }],
    routes: gateways.flatMap((gateway) => {
      const source = input.from.find(({ family }) => family === gateway.family);
      const from = source !== undefined && { source: source.text };
      const ranges = cidrs.filter(({ family }) => family === gateway.family);
      return [
        // The gateway is also in the network of ovn0's address.
        { link, destination: hostCidr(gateway).text, ...from },
        ...ranges.map(({ text }) => ({ link, destination: text, gateway: gateway.text, ...from })),
      ];
    }),
    tables: [{ name: SERVICE_TABLE, script: compileServiceRules(input), link }],
  };
}
