// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { qualify, rowUuid } from "./identity.ts";

const uuid5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const table = fc.constantFrom("Logical_Switch", "Logical_Switch_Port", "Port_Group");
const name = fc.tuple(table, fc.string());

t.test("a row has different uuids in two clusters and without a cluster id", async () => {
  fc.assert(
    fc.property(name, name, fc.uuid(), fc.uuid(), (one, other, first, second) => {
      fc.pre(first !== second);
      const uuids = [qualify(rowUuid(...one), first), qualify(rowUuid(...other), second), rowUuid(...one)];
      return new Set(uuids).size === 3 && uuids.every((uuid) => uuid5.test(uuid));
    }),
  );
});

t.test("in one cluster different rows have different uuids, and one row always the same", async () => {
  fc.assert(
    fc.property(name, name, fc.uuid(), (one, other, cluster) => {
      const [a, b] = [qualify(rowUuid(...one), cluster), qualify(rowUuid(...other), cluster)];
      return (a === b) === (rowUuid(...one) === rowUuid(...other)) && a === qualify(rowUuid(...one), cluster);
    }),
  );
});

t.test("without a cluster id the uuids are the plain ones", async (t) => {
  fc.assert(fc.property(fc.uuid(), (uuid) => qualify(uuid, "") === uuid));
  t.equal(qualify(rowUuid("Logical_Router", "tenant"), ""), "a34fed81-86ad-5d2f-81e0-95233dc3824b");
  t.equal(
    qualify(rowUuid("Logical_Router", "tenant"), "0b0a3c5e-3c0f-4b57-a2a4-5a7f4f4d8a11"),
    "2aa8582c-5e6c-51de-8da4-d4d3c27e12e1",
    "it may never change: that would recreate every row",
  );
});
