// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { typeName } from "../kube/resources.ts";
import { KINDS } from "./index.ts";
import { knownAs, typeOf } from "./objects.ts";
import { factStore } from "./store.ts";
import { rootsOf, UNIT_KINDS } from "./units.ts";

t.test("kinds have facts, types and units of their own", async (t) => {
  for (const names of [
    KINDS.map(({ facts }) => facts),
    KINDS.map(({ type, fieldSelector = "" }) => `${typeName(type)} ${fieldSelector}`),
    UNIT_KINDS.map(({ name }) => name),
  ]) {
    t.same([...new Set(names)], names);
  }
});

t.test("a kind's unit is triggered by the kind's own facts", async (t) => {
  for (const kind of KINDS) {
    if (kind.unit === undefined || kind.roots !== undefined) continue;
    t.same(rootsOf({ kind: knownAs(kind), key: "x", touched: [] }), [{ kind: kind.unit.name, key: "x" }], kind.facts);
    if (kind.accepted !== undefined) t.same(rootsOf({ kind: kind.facts, key: "x", touched: [] }), [], kind.facts);
  }
});

t.test("the store has a table for every kind, and for its accepted configuration", async (t) => {
  const { kinds } = factStore();
  for (const kind of KINDS) {
    t.ok(kinds.includes(kind.facts), kind.facts);
    t.ok(kinds.includes(knownAs(kind)), kind.facts);
  }
  t.equal(new Set(kinds).size, kinds.length);
});

t.test("the type of an object is found by its spec and by its accepted configuration", async (t) => {
  t.equal(typeOf("subnetSpecs").kind, "Subnet");
  t.equal(typeOf("subnets").kind, "Subnet");
});
