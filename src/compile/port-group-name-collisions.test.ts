// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { nodePortGroupName, subnetPortGroupName } from "../api/names.ts";
import { type NameClaim, nameCollisionKey, oldestOf, portGroupNameCollisions } from "./port-group-name-collisions.ts";

interface Aged {
  readonly name: string;
  readonly created: string;
}

/** What {@link portGroupNameCollisions} says, by comparing every group with every other. */
function naive(subnets: readonly Aged[], nodes: readonly Aged[]): Record<string, string[]> {
  const claims = nodes.flatMap((node) => [
    {
      about: nameCollisionKey.node(node.name),
      role: "group",
      created: node.created,
      text: "",
      name: nodePortGroupName(node.name),
    },
    ...subnets.map((subnet) => ({
      about: nameCollisionKey.subnetGroups(subnet.name),
      role: node.name,
      created: [subnet.created, node.created].sort()[1] ?? "",
      text: "",
      name: subnetPortGroupName(subnet.name, node.name),
    })),
  ]);
  const found: Record<string, string[]> = {};
  for (const claim of claims) {
    const rivals = claims.filter(({ name }) => name.plain === claim.name.plain && name.plain !== name.distinct);
    if (rivals.length < 2 || oldestOf<NameClaim>(rivals) === claim) continue;
    found[claim.about] = [...(found[claim.about] ?? []), claim.role].sort();
  }
  return found;
}

const aged = fc.record({
  name: fc
    .array(fc.tuple(fc.constantFrom("-", "."), fc.constantFrom("a", "b", "node", "ovn", "sg", "1")), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.map(([dash, word], i) => (i === 0 ? word : dash + word)).join("")),
  created: fc.constantFrom("1", "2", "3"),
});
const several = fc.uniqueArray(aged, { maxLength: 8, selector: ({ name }) => name });

t.test("groups that come to one name are found as by comparing all", async (t) => {
  fc.assert(
    fc.property(several, several, (subnets, nodes) => {
      const found = portGroupNameCollisions(subnets, nodes);
      const roles = Object.fromEntries([...found].map(([about, taken]) => [about, Object.keys(taken).sort()]));
      t.same(roles, naive(subnets, nodes));
    }),
    { numRuns: 1000 },
  );
});

t.test("a newcomer takes no name away", async (t) => {
  fc.assert(
    fc.property(several, several, aged, fc.boolean(), (subnets, nodes, newcomer, isNode) => {
      const young = { ...newcomer, created: "4" };
      const others = (of: readonly Aged[]): readonly Aged[] => of.filter(({ name }) => name !== young.name);
      const [before, among] = isNode ? [subnets, others(nodes)] : [others(subnets), nodes];
      const had = portGroupNameCollisions(before, among);
      const has = isNode
        ? portGroupNameCollisions(before, [...among, young])
        : portGroupNameCollisions([...before, young], among);
      for (const [about, taken] of has) {
        if (about === nameCollisionKey.subnetGroups(young.name) && !isNode) continue;
        for (const role of Object.keys(taken)) {
          const ofNewcomer = isNode && (role === young.name || about === nameCollisionKey.node(young.name));
          if (!ofNewcomer) t.ok(had.get(about)?.[role] !== undefined, `${about} ${role}`);
        }
      }
    }),
    { numRuns: 1000 },
  );
});

t.test("a thousand subnets on five hundred nodes are not compared one by one", async (t) => {
  const make = (count: number, prefix: string): Aged[] =>
    Array.from({ length: count }, (_, i) => ({ name: `${prefix}-${i}`, created: "1" }));
  const compared = { names: 0 };
  const counted = (entries: readonly Aged[]): readonly Aged[] =>
    entries.map((entry) => ({
      ...entry,
      get name() {
        compared.names++;
        return entry.name;
      },
    }));
  const found = portGroupNameCollisions(
    counted([...make(1000, "tenant"), { name: "tenant", created: "1" }]),
    counted(make(500, "worker")),
  );
  t.equal(found.size, 0);
  t.ok(compared.names < 10_000, `${compared.names} names looked at`);
});
