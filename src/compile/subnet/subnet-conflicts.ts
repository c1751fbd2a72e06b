// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact, SubnetSpecFact } from "../../facts/subnet.ts";
import { hasLocalnet } from "../../facts/underlay.ts";
import type { PeeringFact } from "../../facts/vpc.ts";
import { cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { rangesOfServices } from "../service/service-ranges.ts";
import { ownerOfVlanId } from "./vlan-conflict.ts";

/** Why the spec of a subnet is not accepted. */
export interface SubnetProblem {
  readonly reason: string;
  readonly message: string;
}

/** Pods must not have addresses of the Service ranges: nodes and switches with load balancers translate packets to them. */
export function serviceConflict(subnet: SubnetFact, reader: FactReader): SubnetProblem | undefined {
  const { router } = reader.get("cluster", "cluster") ?? {};
  if (!isOvnProvider(subnet.provider) || (subnet.vpc !== router && !subnet.enableLb)) return undefined;
  const [shared] = rangesOfServices(reader).flatMap(
    (text) => overlap(subnet, { cidr: text.includes(":") ? { v6: text } : { v4: text } }) ?? [],
  );
  if (shared === undefined) return undefined;
  const message = `spec.cidrBlock ${shared.mine} overlaps ${shared.theirs}, the addresses of Services; choose a range outside it`;
  return { reason: "ServiceConflict", message };
}

/** Two Vlans of one id are one broadcast domain, as in Kube-OVN. */
export function vlanConflict(reader: FactReader, subnet: SubnetFact): SubnetProblem | undefined {
  const vlan = hasLocalnet(subnet) ? reader.get("vlans", subnet.vlan) : undefined;
  const owner = vlan && ownerOfVlanId(reader, vlan);
  if (vlan === undefined || owner === undefined) return undefined;
  const message = `Vlan "${vlan.name}" (spec.vlan) has id ${vlan.id} in network "${vlan.network}", which Vlan "${owner}" has already; give it an id of its own, or use "${owner}"`;
  return { reason: "VlanConflict", message };
}

/** Whether the addresses of the spec are the accepted ones. */
export function isAccepted({ accepted, cidr, gateway }: SubnetSpecFact): boolean {
  return accepted !== undefined && samePlain([accepted.cidr, accepted.gateway], [cidr, gateway]);
}

/** The neighbour that a subnet's addresses conflict with. `settled`: they are already accepted. */
export function subnetConflict(
  subnet: SubnetFact,
  others: readonly SubnetSpecFact[],
  settled: boolean,
): SubnetProblem | undefined {
  for (const other of others) {
    const former = other.accepted && overlap(subnet, other.accepted);
    const wanted = other.problem === undefined && !isAccepted(other) ? overlap(subnet, other) : undefined;
    const between = isOvnProvider(subnet.provider) && other.vpc !== subnet.vpc;
    // If both were accepted in peered VPCs, neither is refused; the peering is.
    const older = isOlder(other, subnet) && !(between && settled);
    // Accepted addresses come before new ones, then those of the older subnet.
    const lost = (former !== undefined && (!settled || older)) || (wanted !== undefined && !settled && older);
    const shared = former ?? wanted;
    if (!lost || shared === undefined) continue;
    const { mine, theirs } = shared;
    const where = between
      ? `in VPC ${other.vpc}, with which VPC ${subnet.vpc} is peered`
      : isOvnProvider(subnet.provider)
        ? `in VPC ${subnet.vpc}`
        : `of provider ${subnet.provider}`;
    const message = `spec.cidrBlock ${mine} overlaps ${theirs} of subnet ${other.name} ${where}; choose a range that no other subnet has`;
    return { reason: "SubnetConflict", message };
  }
  return undefined;
}

/** The link between the routers of peered VPCs has addresses of its own. */
export function peeringConflict(subnet: SubnetFact, links: readonly PeeringFact[]): SubnetProblem | undefined {
  if (!isOvnProvider(subnet.provider)) return undefined;
  for (const { remoteVpc, local } of links) {
    const cidr = { ...(local.v4 && { v4: local.v4.network }), ...(local.v6 && { v6: local.v6.network }) };
    const shared = overlap(subnet, { cidr });
    if (shared === undefined) continue;
    const message = `spec.cidrBlock ${shared.mine} overlaps ${shared.theirs}, the network of the peering of VPC ${subnet.vpc} with VPC ${remoteVpc}; choose a range outside it`;
    return { reason: "SubnetConflict", message };
  }
  return undefined;
}

/** A node with an address in the range. */
export function nodeConflict(
  { cidr }: SubnetFact,
  found: { readonly node: string; readonly address: string } | undefined,
): SubnetProblem | undefined {
  if (found === undefined) return undefined;
  const { node, address } = found;
  const block = cidr[address.includes(":") ? "v6" : "v4"];
  const message = `spec.cidrBlock ${block} contains ${address}, the address of node ${node}; choose a range without addresses of nodes`;
  return { reason: "NodeConflict", message };
}

function overlap(
  a: Pick<SubnetFact, "cidr">,
  b: Pick<SubnetFact, "cidr">,
): { mine: string; theirs: string } | undefined {
  for (const family of ["v4", "v6"] as const) {
    const mine = parseCidr(a.cidr[family] ?? "");
    const theirs = parseCidr(b.cidr[family] ?? "");
    if (mine && theirs && cidrsOverlap(mine, theirs)) return { mine: mine.text, theirs: theirs.text };
  }
  return undefined;
}

function isOlder(a: SubnetFact, b: SubnetFact): boolean {
  return a.created === b.created ? a.name < b.name : a.created < b.created;
}
