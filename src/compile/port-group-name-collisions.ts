// SPDX-License-Identifier: Apache-2.0

import { nodePortGroupName, subnetPortGroupName } from "../api/names.ts";
import type { NodeFact } from "../facts/node.ts";
import type { SubnetFact } from "../facts/subnet.ts";

/** One name that an object would have. */
export interface NameClaim {
  /** The key of the fact that says of it whether it is taken. */
  readonly about: string;
  /** What it is the name of, among the object's names. */
  readonly role: string;
  /** When that has come to be, RFC 3339. */
  readonly created: string;
  /** Whose name it is, for people. */
  readonly text: string;
}

/** The keys of the facts. */
export const nameCollisionKey = {
  vpc: (name: string): string => `vpc/${name}`,
  subnet: (name: string): string => `subnet/${name}`,
  subnetGroups: (name: string): string => `subnet-groups/${name}`,
  node: (name: string): string => `node/${name}`,
  vip: (name: string): string => `vip/${name}`,
  ipPool: (name: string): string => `ippool/${name}`,
};

/** The role of the name of a VPC's router port towards a VPC that it is peered with. */
export const peeringRole = (remote: string): string => `peering/${remote}`;

/** What facts say: key of the fact → role → who has the name. */
export type NameCollisionsByKey = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** The claim that gets a name which several claim: the oldest, and of those of one age the first by its keys. */
export function oldestOf<C extends NameClaim>(claims: Iterable<C>): C | undefined {
  const [oldest] = [...claims].sort(
    (a, b) => order(a.created, b.created) || order(a.about, b.about) || order(a.role, b.role),
  );
  return oldest;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What the names of groups begin with: a subnet's, or, without one, those of nodes. */
interface Beginning {
  readonly subnet?: Pick<SubnetFact, "name" | "created">;
  readonly dotted: string;
}

/**
 * Which port groups of nodes (`node.<node>`) and of subnets on nodes (`<subnet>.<node>`) come to the name of an older one. The role is `group`,
 * or the node's name. A group is as old as the younger of those that it is of, so neither a new node nor a new subnet takes a name away. Pure.
 *
 * There are as many groups as subnets times nodes, so they are not compared one by one. Two may be the same only where two subnets or two
 * nodes differ in `-` and `.` alone, or where one subnet's name is another's with something behind it that a node's name begins with, the
 * rest of which is a node again. O(subnets + nodes) where that is rare.
 */
export function portGroupNameCollisions(
  subnets: readonly Pick<SubnetFact, "name" | "created">[],
  nodes: readonly Pick<NodeFact, "name" | "created">[],
): NameCollisionsByKey {
  const beginnings = byDotted<Beginning>([
    { dotted: "node" },
    ...subnets.map((subnet) => ({ subnet, dotted: dots(subnet.name) })),
  ]);
  const ends = byDotted(nodes.map((node) => ({ node, dotted: dots(node.name) })));
  const names = new Map<string, NameClaim[]>();
  const meet = (beginning: string, end: string): void => {
    for (const { subnet } of beginnings.get(beginning) ?? []) {
      for (const { node } of ends.get(end) ?? []) addGroup(names, subnet, node);
    }
  };
  for (const [beginning, several] of beginnings)
    if (several.length > 1) for (const end of ends.keys()) meet(beginning, end);
  for (const [end, several] of ends)
    if (several.length > 1) for (const beginning of beginnings.keys()) meet(beginning, end);
  /** What stands between → the nodes that begin with it and go on as another one. */
  const between = new Map<string, [string, string][]>();
  for (const end of ends.keys()) {
    for (const [middle, rest] of splits(end)) {
      if (!ends.has(rest)) continue;
      const known = between.get(middle);
      if (known === undefined) between.set(middle, [[end, rest]]);
      else known.push([end, rest]);
    }
  }
  for (const long of between.size === 0 ? [] : beginnings.keys()) {
    for (const [short, middle] of splits(long)) {
      if (!beginnings.has(short)) continue;
      for (const [end, rest] of between.get(middle) ?? []) {
        meet(short, end);
        meet(long, rest);
      }
    }
  }
  return losersOf(names);
}

function addGroup(
  names: Map<string, NameClaim[]>,
  subnet: Beginning["subnet"],
  node: Pick<NodeFact, "name" | "created">,
): void {
  const name = subnet === undefined ? nodePortGroupName(node.name) : subnetPortGroupName(subnet.name, node.name);
  // One that has a digest in any case meets nobody.
  if (name.plain === name.distinct) return;
  const claim: NameClaim =
    subnet === undefined
      ? { about: nameCollisionKey.node(node.name), role: "group", created: node.created, text: `node "${node.name}"` }
      : {
          about: nameCollisionKey.subnetGroups(subnet.name),
          role: node.name,
          created: [subnet.created, node.created].sort()[1] ?? "",
          text: `subnet "${subnet.name}" on node "${node.name}"`,
        };
  const claims = names.get(name.plain) ?? [];
  if (claims.some(({ about, role }) => about === claim.about && role === claim.role)) return;
  names.set(name.plain, [...claims, claim]);
}

function losersOf(names: ReadonlyMap<string, readonly NameClaim[]>): NameCollisionsByKey {
  const found = new Map<string, Record<string, string>>();
  for (const claims of names.values()) {
    const oldest = oldestOf(claims);
    for (const claim of claims) {
      if (claim === oldest) continue;
      const taken = found.get(claim.about) ?? {};
      taken[claim.role] = oldest?.text ?? "";
      found.set(claim.about, taken);
    }
  }
  return found;
}

function dots(name: string): string {
  return name.replaceAll("-", ".");
}

function byDotted<T extends { readonly dotted: string }>(entries: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const entry of entries) {
    const known = found.get(entry.dotted);
    if (known === undefined) found.set(entry.dotted, [entry]);
    else known.push(entry);
  }
  return found;
}

/** A name in two at each of its dots. */
function* splits(name: string): Iterable<[string, string]> {
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    yield [name.slice(0, dot), name.slice(dot + 1)];
  }
}
