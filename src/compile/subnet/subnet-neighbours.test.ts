// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { NodeFact } from "../../facts/node.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import type { SubnetSpecFact } from "../../facts/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { findNeighbours, nodeFinder } from "./subnet-neighbours.ts";

const block = fc
  .tuple(fc.nat(63), fc.integer({ min: 24, max: 30 }))
  .map(([third, prefix]) => `10.0.${third & 3}.${(third >> 2) << 4}/${prefix}`);
const subnets = fc.array(
  fc.record({ cidrBlock: block, vpc: fc.constantFrom("a", "b"), former: fc.option(block, { nil: undefined }) }),
  { maxLength: 12 },
);

function specsOf(written: typeof subnets extends fc.Arbitrary<infer T> ? T : never): SubnetSpecFact[] {
  return written.map(({ former, ...spec }, i) => {
    const fact = projectSubnet({ metadata: { name: `s${i}`, uid: `s${i}` }, spec });
    const canonical = former === undefined ? undefined : parseCidr(former)?.text;
    return canonical === undefined ? fact : { ...fact, accepted: { cidr: { v4: canonical }, gateway: {} } };
  });
}

t.test("neighbours are subnets of one VPC that overlap, in their specs or in what is accepted", (t) => {
  fc.assert(
    fc.property(subnets, (written) => {
      const specs = specsOf(written);
      const found = findNeighbours(specs);
      const blocks = (spec: SubnetSpecFact) =>
        [spec.cidr.v4, spec.accepted?.cidr.v4].flatMap((text) => parseCidr(text ?? "") ?? []);
      for (const a of specs) {
        const naive = specs
          .filter((b) => b !== a && b.vpc === a.vpc)
          .filter((b) => blocks(a).some((mine) => blocks(b).some((theirs) => cidrsOverlap(mine, theirs))))
          .map(({ name }) => name)
          .sort();
        const names = (found.get(a.name) ?? []).map(({ name }) => name);
        if (JSON.stringify(names) !== JSON.stringify(naive)) return false;
      }
      return true;
    }),
  );
  t.end();
});

t.test("a node in a range is found, the one with the lowest address", (t) => {
  const addresses = fc.array(
    fc.nat(255).map((last) => `10.0.0.${last}`),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(addresses, block, (list, text) => {
      const nodes = list.map((v4, i) => ({ name: `n${i}`, internal: { v4 } }) as unknown as NodeFact);
      const cidr = parseCidr(text);
      if (cidr === undefined) return true;
      const inside = list.flatMap((v4) => {
        const ip = parseIp(v4);
        return ip !== undefined && cidrContains(cidr, ip) ? [ip.value] : [];
      });
      const found = nodeFinder(nodes)({ v4: cidr.text });
      const lowest = inside.reduce<bigint | undefined>((a, b) => (a === undefined || b < a ? b : a), undefined);
      return parseIp(found?.address ?? "")?.value === lowest;
    }),
  );
  t.end();
});
