// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import { sharedPortName } from "../../api/names.ts";
import { commaList } from "../../collections/comma-list.ts";
import { stableMac } from "../../desired/identity.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import { parseIp } from "../../net/address.ts";
import { namedSecurityGroups } from "../../policy/security-group-index.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { groupId, podPortId, securityGroupId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import type { PortInput, SharedAddresses } from "./port-input.ts";

/** For pods that name no Vip. */
export const NO_SHARED: SharedAddresses = { addresses: [] };

/** The addresses of the Vips that a pod names, if they are in its namespace and in the interface's subnet. */
export function sharedAddresses(
  reader: FactReader,
  { namespace, annotations }: PodFact,
  subnet: string,
): SharedAddresses {
  const named = annotations[POD.aaps];
  if (named === undefined) return NO_SHARED;
  const addresses = commaList(named).flatMap((name) => {
    const vip = reader.get("vips", name);
    if (vip === undefined || vip.namespace !== namespace || vip.subnet !== subnet || !vip.given) return [];
    return [vip.v4, vip.v6].flatMap((address) => parseIp(address)?.text ?? []);
  });
  if (addresses.length === 0) return NO_SHARED;
  return { addresses: [...new Set(addresses)].sort() };
}

/**
 * Adds a pod's shared addresses to the groups of its policies, so that peers of policies include them. (Packets from
 * them leave by the node of the pod that sends them, like those from all addresses of its subnet, see
 * `addNodeGateway`.) Only addresses of Vips that IPAM has allocated to the namespace are included, not the pod's
 * annotation `port_vips`.
 *
 * northd builds the address sets of port groups from the `addresses` of their ports (ovn-nb(5), Port_Group `name`).
 * If the pod's own port had a shared address, OVN would answer ARP for it with that pod's MAC, whichever pod has it
 * at present. So a separate port has them. It is disabled, and OVN does not answer for it: northd uses it only for
 * address sets (northd.c, 25.03 and 26.03).
 */
export function addSharedAddresses(build: FragmentBuilder, input: PortInput): void {
  const { pod, ip, subnet, vpc, groups, shared } = input;
  if (shared.addresses.length === 0) return;
  const securityGroups = namedSecurityGroups(pod, ip.provider).map((name) => securityGroupId(name, vpc));
  const peers = [...groups.map(groupId), ...securityGroups];
  if (peers.length === 0) return;
  const name = sharedPortName(ip.name);
  const port = build.held(
    "Logical_Switch",
    switchId(subnet.name),
    "ports",
    "Logical_Switch_Port",
    `${podPortId(ip.name, pod)}/shared`,
    {
      name,
      type: "",
      enabled: false,
      addresses: [[stableMac(name), ...shared.addresses].join(" ")],
      options: { disable_arp_nd_rsp: "true" },
      external_ids: externalIds({ ls: subnet.name, "shared-by": pod.key }),
    },
  );
  for (const group of peers) build.member("Port_Group", group, "ports", port.uuid);
}
