// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import { sharedPortName } from "../../api/names.ts";
import { stableMac } from "../../desired/identity.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import { parseIp } from "../../net/address.ts";
import { namedSecurityGroups } from "../../policy/security-group-index.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { groupId, podPortId, securityGroupId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import type { PortInput, SharedAddresses } from "./port-input.ts";

/** Those of a pod that names no Vip. */
export const NO_SHARED: SharedAddresses = { addresses: [] };

/** The addresses of the Vips of its own namespace, and of the interface's subnet, that a pod names. */
export function sharedAddresses(
  reader: FactReader,
  { namespace, annotations }: PodFact,
  subnet: string,
): SharedAddresses {
  const named = annotations[POD.aaps];
  if (named === undefined) return NO_SHARED;
  const names = named.split(",").map((name) => name.trim());
  const addresses = names.flatMap((name) => {
    const vip = name === "" ? undefined : reader.get("vips", name);
    if (vip === undefined || vip.namespace !== namespace || vip.subnet !== subnet || !vip.given) return [];
    return [vip.v4, vip.v6].flatMap((address) => parseIp(address)?.text ?? []);
  });
  if (addresses.length === 0) return NO_SHARED;
  return { addresses: [...new Set(addresses)].sort() };
}

/**
 * Makes a pod known by the addresses that it shares with others: peers of policies mean them too. (They leave by the node of the pod that
 * sends from them, like all addresses of its subnet, see `addNodeGateway`.) Only those of Vips, which IPAM has given to the namespace: what a pod says of itself in `port_vips` is no evidence.
 *
 * northd makes the address sets of port groups of the `addresses` of their ports (ovn-nb(5), Port_Group `name`). On the pod's own port OVN would
 * answer for a shared address with that pod's MAC, whoever has it now. So a port of their own holds them, which is disabled and for
 * which nothing is answered: of it northd makes address sets and nothing else (northd.c, 25.03 and 26.03).
 */
export function addSharedAddresses(build: FragmentBuilder, input: PortInput): void {
  const { pod, ip, subnet, groups, shared } = input;
  if (shared.addresses.length === 0) return;
  const peers = [...groups.map(groupId), ...namedSecurityGroups(pod, ip.provider).map(securityGroupId)];
  if (peers.length === 0) return;
  const name = sharedPortName(ip.name);
  const port = build.held(
    "Logical_Switch",
    switchId(subnet.name),
    "ports",
    "Logical_Switch_Port",
    `${podPortId(ip.name, pod.uid)}/shared`,
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
