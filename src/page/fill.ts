// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, cidrContains, cidrSize, firstUsable, lastUsable, parseCidr } from "../net/cidr.ts";
import { type IpRange, intersectRanges, parseRange, rangeContains, rangeOfCidr } from "../net/range.ts";
import type { Fill } from "./contract.ts";
import type { Viewer } from "./viewer.ts";
import { namespaceOfHolder } from "./viewer.ts";

/** An address that an object holds. */
export interface HeldAddress {
  readonly ip: Ip;
  /** As in `IpFact.holder`; of objects that hold addresses without an IP object the kind and name, separated by a blank. */
  readonly holder: string;
  /** It is held for an object that does not exist: a user's reservation, or a pod that will come back. */
  readonly reserved: boolean;
  readonly mac: string;
  readonly node: string;
}

/** Facts are immutable: the addresses of one are parsed once. */
const PARSED = new WeakMap<object, readonly Ip[]>();

function addressesOf(fact: { readonly v4: string; readonly v6: string }): readonly Ip[] {
  const known = PARSED.get(fact);
  if (known !== undefined) return known;
  const parsed = [fact.v4, fact.v6].flatMap((text) => (text === "" ? [] : (parseIp(text) ?? [])));
  PARSED.set(fact, parsed);
  return parsed;
}

/** The addresses that objects hold in a subnet. */
export function heldAddresses(facts: FactReader, subnet: string): readonly HeldAddress[] {
  const held: HeldAddress[] = [];
  for (const record of facts.by("ips", "subnet", subnet)) {
    const { holder, mac, node } = record;
    const reserved = holder === "" || (holder.includes("/") && facts.by("pods", "holder", holder).length === 0);
    for (const ip of addressesOf(record)) held.push({ ip, holder, reserved, mac, node });
  }
  for (const holder of facts.by("addressHolders", "subnet", subnet))
    for (const ip of addressesOf(holder)) held.push({ ip, holder: holder.who, reserved: false, mac: "", node: "" });
  return held;
}

/** The addresses of a block that are never given by themselves: the subnet's `excludeIps` with its gateway, network and broadcast address; ascending, without overlaps. */
export function excludedRanges({ excludeIps }: Pick<SubnetFact, "excludeIps">, block: Cidr): readonly IpRange[] {
  const { family } = block;
  const whole = rangeOfCidr(block);
  const ranges = excludeIps.flatMap((text) => {
    const range = parseRange(text);
    return (range && intersectRanges(range, whole)) ?? [];
  });
  const [low, high] = [firstUsable(block).value, lastUsable(block).value];
  if (low > whole.first) ranges.push({ family, first: whole.first, last: low - 1n });
  if (high < whole.last) ranges.push({ family, first: high + 1n, last: whole.last });
  const merged: IpRange[] = [];
  for (const range of ranges.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const last = merged.at(-1);
    if (last === undefined || range.first > last.last + 1n) merged.push(range);
    else if (range.last > last.last) merged[merged.length - 1] = { ...last, last: range.last };
  }
  return merged;
}

/** Whether the viewer sees who holds an address. */
export function seesHolder(viewer: Viewer, holder: string): boolean {
  if (holder.startsWith("node:")) return viewer.sees.nodes;
  const namespace = namespaceOfHolder(holder);
  return namespace === undefined ? viewer.sees.networks : viewer.maySee(namespace);
}

/** The use of a subnet's addresses by family, as far as the viewer may know it. */
export function fillOf(facts: FactReader, viewer: Viewer, subnet: SubnetFact): readonly Fill[] {
  const held = heldAddresses(facts, subnet.name);
  return (["v4", "v6"] as const).flatMap((key): readonly Fill[] => {
    const block = parseCidr(subnet.cidr[key] ?? "");
    if (block === undefined) return [];
    const excluded = excludedRanges(subnet, block);
    let [used, own, within, outside] = [0, 0, 0n, 0n];
    for (const { ip, holder } of held) {
      if (!cidrContains(block, ip)) continue;
      used++;
      if (excluded.some((range) => rangeContains(range, ip))) within++;
      else outside++;
      const namespace = namespaceOfHolder(holder);
      if (namespace !== undefined && viewer.maySee(namespace)) own++;
    }
    const never = excluded.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
    const base = {
      family: block.family === 4 ? ("IPv4" as const) : ("IPv6" as const),
      cidr: block.text,
      gateway: subnet.gateway[key] ?? "",
    };
    if (!viewer.sees.networks) return [{ ...base, used: own, own }];
    const free = cidrSize(block) - never - outside;
    return [{ ...base, used, own, free: Number(free < 0n ? 0n : free), excluded: Number(never - within) }];
  });
}

/** Subnet → the number of the given pods in it, by their primary interfaces. */
export function podsBySubnet(facts: FactReader, pods: readonly PodFact[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { holder } of pods)
    for (const { subnet, provider } of facts.by("ips", "holder", holder))
      if (provider === "ovn") counts.set(subnet, (counts.get(subnet) ?? 0) + 1);
  return counts;
}
