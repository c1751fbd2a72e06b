// SPDX-License-Identifier: Apache-2.0

/** One name that an object claims. */
export interface NameClaim {
  /** The key of the fact that states whether the name is taken. */
  readonly about: string;
  /** The role of the name in the object. */
  readonly role: string;
  /** Creation time, RFC 3339. */
  readonly created: string;
  /** The owner of the name, for messages. */
  readonly text: string;
}

/** The keys of the facts. */
export const nameCollisionKey = {
  vpc: (name: string): string => `vpc/${name}`,
  subnet: (name: string): string => `subnet/${name}`,
  node: (name: string): string => `node/${name}`,
  vip: (name: string): string => `vip/${name}`,
  ipPool: (name: string): string => `ippool/${name}`,
};

/** The role of the name of a VPC's router port towards a VPC that it is peered with. */
export const peeringRole = (remote: string): string => `peering/${remote}`;

/** The roles of the names of a VPC's router port in an external subnet, and of its other end at the switch. */
export const externalRole = {
  router: (subnet: string): string => `external-router/${subnet}`,
  switch: (subnet: string): string => `external-switch/${subnet}`,
};

/** The claim that wins a name: the oldest, among those of the same age the first by key. */
export function oldestOf<C extends NameClaim>(claims: Iterable<C>): C | undefined {
  const [oldest] = [...claims].sort(
    (a, b) => order(a.created, b.created) || order(a.about, b.about) || order(a.role, b.role),
  );
  return oldest;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
