// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addNetworkPolicy, sampleFacts } from "../compile/testing/sample-facts.ts";
import { compileAll } from "./compile-all.ts";

t.test("compiling all gives every unit once, those of groups and policies too", async (t) => {
  const facts = sampleFacts();
  addNetworkPolicy(facts, "deny", { podSelector: {} });
  const fragments = compileAll(facts);
  const kinds = new Set([...fragments.keys()].map((unit) => unit.split(":")[0]));
  t.same(kinds, new Set(["group", "namespace", "networkpolicy", "node", "pod", "securitygroup", "subnet", "vpc"]));
  t.equal(fragments.get("pod:default/a")?.rows[0]?.label, "a.default/uid-a");
  t.equal(fragments.size, new Set(fragments.keys()).size);
});
