// SPDX-License-Identifier: Apache-2.0

import type { NetworkInterfaceInfo } from "node:os";
import { NODE_INTERFACE, SERVICE_INTERFACE } from "../api/names.ts";
import { parseCidr } from "../net/cidr.ts";

/**
 * The networks of a host's own interfaces, canonical and sorted, from os.networkInterfaces(): without the loopback interface, link-local addresses
 * and `ovn0`, whose network belongs to the cluster.
 */
export function hostNetworks(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): readonly string[] {
  const found = new Set<string>();
  for (const [name, entries] of Object.entries(interfaces)) {
    if (name === NODE_INTERFACE || name === SERVICE_INTERFACE) continue;
    for (const { internal, cidr } of entries ?? []) {
      const network = internal || cidr === null ? undefined : parseCidr(cidr);
      if (network === undefined || /^(fe[89ab][0-9a-f]:|169\.254\.)/.test(network.text)) continue;
      found.add(network.text);
    }
  }
  return [...found].sort();
}
