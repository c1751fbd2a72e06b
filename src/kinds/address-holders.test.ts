// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { followed } from "../compile/testing/sample-facts.ts";
import { deriverOf } from "../facts/derivation.ts";
import { addressHolders } from "./address-holders.ts";
import { factStore } from "./store.ts";
import { projectVip } from "./vip.ts";

const metadata = { name: "a", uid: "uid-a" };

t.test("an object holds its addresses from the allocation until it is deleted", async (t) => {
  const facts = factStore();
  followed(facts, deriverOf(facts, addressHolders));
  const held = () => facts.by("addressHolders", "subnet", "s");
  facts.set("vips", "a", projectVip({ metadata, spec: { subnet: "s", v4ip: "10.0.0.9" } }));
  t.same(held(), [], "what it asks for it does not hold");
  const given = projectVip({ metadata, spec: { subnet: "s", v4ip: "10.0.0.9" }, status: { v4ip: "10.0.0.9" } });
  facts.set("vips", "a", given);
  t.same(held(), [{ key: "vips/a", subnet: "s", v4: "10.0.0.9", v6: "", who: "Vip a" }]);
  facts.set("vips", "a", undefined);
  t.same(held(), []);
});

t.test("existing objects are processed at the start", async (t) => {
  const facts = factStore();
  facts.set("vips", "a", projectVip({ metadata, spec: { subnet: "s" }, status: { mac: "02:00:00:00:00:01" } }));
  deriverOf(facts, addressHolders).start();
  t.match(facts.all("addressHolders"), [{ key: "vips/a", who: "Vip a" }]);
});
