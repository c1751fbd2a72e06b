// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { projectSubnet } from "../../facts/project-subnet.ts";
import type { SubnetSpecFact } from "../../facts/subnet.ts";
import { cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { OverlappingSubnets } from "./overlapping-subnets.ts";

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

t.test("neighbours are subnets of one VPC that overlap, in their specs or in their accepted configuration", (t) => {
  fc.assert(
    fc.property(subnets, (written) => {
      const specs = specsOf(written);
      const neighbours = new OverlappingSubnets();
      // Each has had another one's ranges before, and one is deleted.
      for (const [i, { name }] of specs.entries()) neighbours.set(name, specs[(i + 1) % specs.length]);
      neighbours.set("gone", specs[0]);
      for (const spec of specs) neighbours.set(spec.name, spec);
      neighbours.set("gone", undefined);
      const blocks = (spec: SubnetSpecFact) =>
        [spec.cidr.v4, spec.accepted?.cidr.v4].flatMap((text) => parseCidr(text ?? "") ?? []);
      for (const a of specs) {
        const naive = specs
          .filter((b) => b !== a && b.vpc === a.vpc)
          .filter((b) => blocks(a).some((mine) => blocks(b).some((theirs) => cidrsOverlap(mine, theirs))))
          .map(({ name }) => name)
          .sort();
        const names = neighbours.of(a.name, () => []);
        if (JSON.stringify(names) !== JSON.stringify(naive)) return false;
      }
      return true;
    }),
  );
  t.end();
});
