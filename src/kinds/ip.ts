// SPDX-License-Identifier: Apache-2.0

import { reservationClaims } from "../claims/reservation.ts";
import { SUBNET_HOLDER } from "../claims/subnet-addresses.ts";
import { nodeUnit } from "../compile/node/node.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { subnetUnit } from "../compile/subnet/subnet.ts";
import type { IpFact } from "../facts/ip.ts";
import { projectIp } from "../facts/project-ip.ts";
import { IPS } from "../kube/resources.ts";
import type { Kind, Root } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ips: IpFact;
  }
  interface FactIndexes {
    readonly ips: "holder" | "subnet" | "address";
  }
}

/**
 * kubeovn.io/v1 IP: the record of one address. It creates the unit of its holder, so that the address of a deleted pod or node is still released.
 */
export const ipKind: Kind<"ips"> = {
  facts: "ips",
  type: IPS,
  project: projectIp,
  // VPCs may have equal addresses: there may be several IP objects of one address.
  indexes: {
    holder: (ip) => [ip.holder],
    subnet: (ip) => [ip.subnet],
    address: (ip) => [ip.v4, ip.v6].filter(Boolean),
  },
  claim: reservationClaims,
  roots: (old, now) => {
    const holders = [old, now].flatMap((ip) => ip?.holder ?? []);
    return [...new Set(holders)].flatMap(rootsOfHolder);
  },
  access: {
    verbs: ["get", "create", "patch", "delete"],
    why: "The record of an address, from its allocation to its release. (`get` is for weftctl.)",
  },
};

const NODE_HOLDER = "node:";

function rootsOfHolder(holder: string): readonly Root[] {
  if (holder === "") return [];
  if (holder.startsWith(NODE_HOLDER)) return [{ kind: nodeUnit.name, key: holder.slice(NODE_HOLDER.length) }];
  if (holder.startsWith(SUBNET_HOLDER)) return [{ kind: subnetUnit.name, key: holder.slice(SUBNET_HOLDER.length) }];
  return [{ kind: podUnit.name, key: holder }];
}
