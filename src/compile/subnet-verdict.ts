import type { FactReader } from "../facts/store.ts";
import type { SubnetFact, VerdictFact } from "../facts/types.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, cidrsOverlap, parseCidr } from "../net/cidr.ts";

/**
 * Judges a subnet together with its neighbours. Of two that overlap in one VPC the older one stays in force (by creation
 * time, then by name), so that a mistaken `kubectl apply` cannot take a working subnet down.
 */
export function judgeSubnet(reader: FactReader, subnet: SubnetFact): VerdictFact {
  const refuse = (reason: string, message: string): VerdictFact => ({ key: subnet.name, ok: false, reason, message });
  if (subnet.problem !== undefined) return refuse(subnet.problem.reason, subnet.problem.message);
  const cluster = reader.get("cluster", "cluster");
  for (const other of reader.by("subnets", "vpc", subnet.vpc)) {
    if (other.name === subnet.name || other.vlan !== subnet.vlan || other.problem !== undefined) continue;
    const clash = overlap(subnet, other);
    if (clash === undefined || !isOlder(other, subnet)) continue;
    const message = `spec.cidrBlock ${clash.mine} overlaps ${clash.theirs} of subnet ${other.name} in VPC ${subnet.vpc}`;
    return refuse("SubnetConflict", `${message}; choose a range that no other subnet has`);
  }
  if (subnet.vpc === cluster?.router) {
    for (const node of reader.all("nodes")) {
      for (const family of ["v4", "v6"] as const) {
        const block = parseCidr(subnet.cidr[family] ?? "");
        const address = parseIp(node.internal[family] ?? "");
        if (block === undefined || address === undefined || !cidrContains(block, address)) continue;
        const message = `spec.cidrBlock ${block.text} contains ${address.text}, the address of node ${node.name}`;
        return refuse("NodeConflict", message);
      }
    }
  }
  return { key: subnet.name, ok: true, reason: "Ready", message: "" };
}

function overlap(a: SubnetFact, b: SubnetFact): { mine: string; theirs: string } | undefined {
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
