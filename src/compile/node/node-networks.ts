// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { acceptedNetworks } from "../../contract/node.ts";
import { type NodeNetworks, readNodeNetworks } from "../../contract/node-networks.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactReader } from "../../facts/store.ts";

/** The networks of a node, and what is wrong with its annotation. */
export interface JudgedNetworks {
  /** The active networks of the node. */
  readonly accepted: NodeNetworks;
  /** Whether the node has or had any. */
  readonly used: boolean;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

/** The addresses in a node's annotation: an index to find two nodes with the same address. */
export function claimedNetworkAddresses({ annotations }: NodeFact): readonly string[] {
  const read = readNodeNetworks(annotations[NODE.nodeNetworks]);
  return read.ok ? Object.values(read.networks) : [];
}

/**
 * Decides which networks of annotation `NODE.nodeNetworks` a node uses. If an address cannot be used, the former one, which the node's contract
 * records, stays active: tunnels of running pods end there. The ovn-controller of a node whose address another chassis has registers nothing at all,
 * so the first node keeps an address.
 */
export function judgeNodeNetworks(reader: FactReader, node: NodeFact): JudgedNetworks {
  const former = acceptedNetworks(node.annotations);
  const read = readNodeNetworks(node.annotations[NODE.nodeNetworks]);
  const hasFormer = Object.keys(former).length > 0;
  const where = `annotation ${NODE.nodeNetworks}`;
  if (!read.ok) {
    const then = hasFormer ? `; the former networks stay active: ${listed(former)}` : "";
    const message = `${where} ${read.message}${then}`;
    return { accepted: former, used: hasFormer, problem: { reason: "InvalidNodeNetworks", message } };
  }
  const accepted: Record<string, string> = {};
  const problems: string[] = [];
  const refuse = (network: string, why: string): void => {
    const kept = former[network];
    if (kept !== undefined) accepted[network] = kept;
    const then = kept === undefined ? "pods of subnets in this network do not start here" : `${kept} stays active`;
    problems.push(`network ${JSON.stringify(network)} is not used: ${why}; ${then}`);
  };
  for (const [network, address] of Object.entries(read.networks)) {
    const holders = otherHolders(reader, node, address);
    if (holders.length === 0) accepted[network] = address;
    else refuse(network, `node ${holders.slice(0, 3).join(", ")} has the same address ${address}`);
  }
  for (const { network, message } of read.problems) refuse(network, message);
  const [first] = problems;
  const reason = read.problems.length > 0 ? "InvalidNodeNetworks" : "NotUnique";
  return {
    accepted,
    used: hasFormer || Object.keys(accepted).length > 0,
    problem: first === undefined ? undefined : { reason, message: `${where}: ${problems.join("; ")}` },
  };
}

/** The other nodes that have the address; if this node had it before, only those that had it too. */
function otherHolders(reader: FactReader, node: NodeFact, address: string): readonly string[] {
  const has = (other: NodeFact): boolean => Object.values(acceptedNetworks(other.annotations)).includes(address);
  const internal = reader.by("nodes", "internal", address).filter(({ name }) => name !== node.name);
  const claiming = reader.by("nodes", "networks", address).filter(({ name }) => name !== node.name);
  const others = has(node) ? claiming.filter(has) : claiming;
  return [...new Set([...internal, ...others].map(({ name }) => name))].sort();
}

function listed(networks: NodeNetworks): string {
  return Object.entries(networks)
    .map(([name, address]) => `${name} ${address}`)
    .join(", ");
}
