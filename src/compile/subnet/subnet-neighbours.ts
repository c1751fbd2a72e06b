// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { MultiMap } from "../../collections/multi-map.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { SubnetSpecFact } from "../../facts/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { cidrSize, parseCidr } from "../../net/cidr.ts";
import type { Dual } from "../../net/dual.ts";

/** A range of addresses and its subnet. */
interface Interval<T> {
  readonly first: bigint;
  readonly last: bigint;
  readonly of: T;
}

const FAMILIES = ["v4", "v6"] as const;

/** Parsed ranges are cached: each change of one subnet compares a thousand others. */
const read = new WeakMap<Dual<string>, readonly (Omit<Interval<unknown>, "of"> | undefined)[]>();

function rangesOf(cidr: Dual<string>): readonly (Omit<Interval<unknown>, "of"> | undefined)[] {
  let ranges = read.get(cidr);
  if (ranges === undefined) {
    ranges = FAMILIES.map((family) => {
      const block = parseCidr(cidr[family] ?? "");
      return block && { first: block.base, last: block.base + cidrSize(block) - 1n };
    });
    read.set(cidr, ranges);
  }
  return ranges;
}

/**
 * Finds the subnets of one network that overlap, in their specs or in their accepted configurations: subnet → the others, by name. A network is a
 * VPC, and within it a vlan; networks of other plugins are distinguished by their providers. Subnets of two peered VPCs are neighbours as well. O(n
 * log n) if few overlap. Pure.
 */
export function findNeighbours(
  specs: readonly SubnetSpecFact[],
  peered: readonly (readonly [string, string])[] = [],
): ReadonlyMap<string, readonly SubnetSpecFact[]> {
  /** VPC → its peerings, as pairs. */
  const pairs = new MultiMap<string, string>();
  for (const pair of peered) for (const vpc of pair) pairs.add(vpc, JSON.stringify(["peered", ...pair]));
  /** Network and family → the ranges of its subnets. */
  const networks = new Map<string, Interval<SubnetSpecFact>[]>();
  for (const spec of specs) {
    const own = spec.problem === undefined ? [spec.cidr] : [];
    for (const cidr of spec.accepted === undefined ? own : [...own, spec.accepted.cidr]) {
      for (const [i, range] of rangesOf(cidr).entries()) {
        if (range === undefined) continue;
        const ovn = isOvnProvider(spec.provider);
        const own = JSON.stringify(ovn ? [spec.vpc, spec.vlan, i] : [spec.provider, i]);
        for (const key of [own, ...(ovn ? pairs.list(spec.vpc) : []).map((pair) => `${pair}/${i}`)]) {
          const intervals = networks.get(key);
          if (intervals === undefined) networks.set(key, [{ ...range, of: spec }]);
          else intervals.push({ ...range, of: spec });
        }
      }
    }
  }
  const found = new Map<string, Set<SubnetSpecFact>>();
  const note = (a: SubnetSpecFact, b: SubnetSpecFact): void => {
    if (a === b) return;
    const others = found.get(a.name);
    if (others === undefined) found.set(a.name, new Set([b]));
    else others.add(b);
  };
  for (const [key, intervals] of networks) {
    const between = key.startsWith('["peered"');
    intervals.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
    let open: Interval<SubnetSpecFact>[] = [];
    for (const interval of intervals) {
      open = open.filter(({ last }) => last >= interval.first);
      for (const { of } of open) {
        if (between && of.vpc === interval.of.vpc) continue;
        note(of, interval.of);
        note(interval.of, of);
      }
      open.push(interval);
    }
  }
  return new Map([...found].map(([name, others]) => [name, [...others].sort((a, b) => (a.name < b.name ? -1 : 1))]));
}

/** Finds, for a range, the node with the lowest address in it. */
export function nodeFinder(
  nodes: readonly NodeFact[],
): (cidr: Dual<string>) => { node: string; address: string } | undefined {
  const sorted = FAMILIES.map((family) => {
    const addresses = nodes.flatMap(({ name, internal }) => {
      const ip = parseIp(internal[family] ?? "");
      return ip === undefined ? [] : [{ value: ip.value, address: ip.text, node: name }];
    });
    return addresses.sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : a.node < b.node ? -1 : 1));
  });
  return (cidr) => {
    for (const [i, range] of rangesOf(cidr).entries()) {
      const addresses = sorted[i] ?? [];
      if (range === undefined) continue;
      let low = 0;
      for (let high = addresses.length; low < high; ) {
        const middle = (low + high) >>> 1;
        if ((addresses[middle]?.value ?? 0n) < range.first) low = middle + 1;
        else high = middle;
      }
      const next = addresses[low];
      if (next !== undefined && next.value <= range.last) return next;
    }
    return undefined;
  };
}
