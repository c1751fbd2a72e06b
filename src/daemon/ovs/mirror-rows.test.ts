// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { type MirrorView, planMirror } from "./mirror-rows.ts";

const [bridge, row, second, output, a, b] = Array.from({ length: 6 }, () => randomUUID()) as [
  ...[string, string, string, string, string, string],
];
const ROW: MirrorView = {
  _uuid: row,
  name: "m0",
  output_port: output,
  select_all: false,
  select_src_port: [b, a],
  select_dst_port: [a, b],
  external_ids: {},
};
const WANTED = { outputPort: output, all: false, ports: [a, b] };
const plan = (wanted: typeof WANTED, found: readonly MirrorView[]) => planMirror(wanted, found, bridge, randomUUID);

t.test("a row that is as wanted is not changed, in any order of its ports", async (t) => {
  t.same(plan(WANTED, [ROW]), []);
});

t.test("a missing row is created in the bridge, a differing one is changed in place", async (t) => {
  t.match(plan(WANTED, []), [
    { op: "insert", table: "Mirror" },
    { op: "mutate", table: "Bridge" },
  ]);
  t.match(plan({ ...WANTED, ports: [a] }, [ROW]), [{ op: "update", table: "Mirror" }]);
  t.equal(plan({ ...WANTED, ports: [a] }, [ROW]).length, 1);
});

t.test("all ports are one flag, not a list", async (t) => {
  const [change] = plan({ ...WANTED, all: true }, [ROW]);
  t.match(change, { row: { select_all: true, select_src_port: ["set", []], select_dst_port: ["set", []] } });
});

t.test("rows of ovn-controller and of other names stay, a second m0 is removed", async (t) => {
  const others = [
    { ...ROW, _uuid: randomUUID(), name: "span" },
    { ...ROW, _uuid: randomUUID(), external_ids: { "ovn-owned": "true" } },
  ];
  t.same(plan(WANTED, [...others, ROW]), []);
  const operations = plan(WANTED, [ROW, { ...ROW, _uuid: second }]);
  t.match(operations, [{ table: "Bridge", mutations: [["mirrors", "delete", ["set", [["uuid", second]]]]] }]);
  t.equal(operations.length, 1);
});
