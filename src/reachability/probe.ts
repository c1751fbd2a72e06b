// SPDX-License-Identifier: Apache-2.0

import { probePortName } from "../api/names.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Network } from "./network.ts";

/**
 * A node as seen by pods of a custom VPC: kubelet's probes arrive by a port of the VPC, from an address that is the
 * same on each node, and reach only pods of the node (`src/compile/vpc/vpc-probe.ts`). Any other pair is returned
 * unchanged.
 */
export function probing(network: Network, from: Endpoint, to: Endpoint): Endpoint | { readonly problem: string } {
  const vpc = to.place && network.uplink(to.place.switch)?.router;
  const port = vpc === undefined ? undefined : network.ports.get(probePortName(vpc));
  if (from.kind !== "node" || to.pod === undefined || port === undefined) return from;
  if (to.node === from.node) return { ...from, place: port, source: port.addresses };
  const where = to.node === undefined ? "not on a node yet" : `on node ${to.node}`;
  return {
    problem: `a node reaches its own pods of VPC ${vpc}, for kubelet's probes, and no others; ${to.label} is ${where}`,
  };
}
