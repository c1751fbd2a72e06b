// SPDX-License-Identifier: Apache-2.0

import { redirectPortName } from "../../api/names.ts";
import type { OvnNbTables } from "../../ovsdb/generated/ovn-nb.ts";
import type { ExternalLink } from "../vpc/vpc-external.ts";

/**
 * The port whose chassis translates a distributed floating IP and answers ARP for it, with the MAC of the pod's port (ovn-nb(5), NAT `external_mac`,
 * `logical_port`). If the router also balances connections to the pod, the port by which packets come to the gateway chassis (see `balancerAtRouter`): so only the
 * place changes. The MAC is the same, and translation remains stateless, so connections continue. `port`: undefined for a centralized floating IP.
 */
export function translatingPort(
  port: { readonly name: string; readonly mac: string } | undefined,
  link: ExternalLink,
  balancer: string | undefined,
): Pick<OvnNbTables["NAT"], "external_mac" | "logical_port"> {
  return {
    external_mac: port?.mac,
    logical_port: port && (balancer === undefined ? port.name : redirectPortName(link.port)),
  };
}
