// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { SHAPES } from "../api/generated/shapes.ts";
import { feedsOf } from "./feeds.ts";
import { KINDS } from "./index.ts";
import { factStore } from "./store.ts";

const FEEDS = feedsOf({ router: "ovn-cluster", joinSubnet: "join" });
const METADATA = { name: "odd", uid: "u", resourceVersion: "1" };

t.test(
  "an object of ours whose fields have other types than the CRD says can be read, and its fact says which",
  async (t) => {
    const subnet = { metadata: METADATA, spec: { cidrBlock: "10.0.0.0/24", acls: "drop", mtu: {} }, status: 5 };
    t.match(FEEDS.subnetSpecs?.project(subnet as never), {
      cidr: { v4: "10.0.0.0/24" },
      malformed: [
        { path: "spec.acls", message: '"drop" is not a list' },
        { path: "spec.mtu", message: "{0 fields} is not a number" },
      ],
    });
    t.notOk("malformed" in (FEEDS.subnetSpecs?.project({ metadata: METADATA, spec: {} } as never) ?? {}));
  },
);

t.test("for any content of an object of ours, neither its projection nor an index of its fact throws", async (t) => {
  const ours = KINDS.flatMap(({ facts, type }) => {
    const shape = SHAPES[type.plural];
    return shape === undefined ? [] : [{ feed: FEEDS[facts], facts, shape }];
  });
  t.equal(ours.length, Object.keys(SHAPES).length);
  for (const { feed, facts, shape } of ours) {
    const fields = (of: typeof shape.spec) =>
      fc.dictionary(fc.constantFrom(...Object.keys(of.fields), "x"), fc.jsonValue({ maxDepth: 3 }));
    const part = (of: typeof shape.spec) => fc.oneof({ weight: 9, arbitrary: fields(of) }, fc.jsonValue());
    fc.assert(
      fc.property(part(shape.spec), part(shape.status), (spec, status) => {
        const fact = feed?.project({ metadata: METADATA, spec, status } as never);
        // Without `failures` a store throws on what an index throws.
        factStore().set(facts, METADATA.name, fact);
      }),
    );
  }
});
