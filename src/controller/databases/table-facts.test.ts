// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Failures } from "../../desired/failures.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { NORTHBOUND_KINDS, SOUTHBOUND_KINDS } from "../../kinds/database.ts";
import { factStore } from "../../kinds/store.ts";
import { selectionOf, takeChanges } from "./table-facts.ts";

/** A row of Logical_Switch_Port in the mirror. */
function port(_uuid: string, name: string, address: string, more: object = {}) {
  const external_ids = { pod: "default/a", ls: "ovn-default", "weft-owner": "pod:default/a" };
  return {
    _uuid,
    name,
    addresses: [`00:00:00:00:00:01 ${address}`],
    external_ids,
    up: undefined,
    tag: undefined,
    ...more,
  };
}

function world() {
  const failures = new Failures(undefined, () => undefined);
  const facts = factStore(failures);
  const changes: string[] = [];
  facts.subscribe(({ kind, key, new: now }: FactChange) => changes.push(`${now ? "+" : "-"}${kind}/${key}`));
  type Row = { readonly _uuid: string; readonly [column: string]: unknown };
  type Change = { readonly old?: Row; readonly new?: Row };
  const take = (...all: readonly Change[]): string[] => {
    changes.length = 0;
    const told = all.map((change) => {
      return { table: "Logical_Switch_Port", uuid: (change.new ?? change.old)?._uuid ?? "", ...change };
    });
    takeChanges(facts, NORTHBOUND_KINDS, told);
    return changes.splice(0);
  };
  return { facts, failures, take };
}

t.test("a port that comes up notifies readers of that state, and no reader of its addresses", async (t) => {
  const { facts, take } = world();
  const row = port("u1", "a.default", "10.16.0.2");
  t.same(take({ new: row }), ["+ports/a.default", "+downPorts/a.default"]);
  t.match(facts.get("ports", "a.default"), {
    subnet: "ovn-default",
    mac: "00:00:00:00:00:01",
    v4: "10.16.0.2",
    uuid: "u1",
  });
  t.same(take({ old: row, new: { ...row, up: false } }), []);
  t.same(take({ old: { ...row, up: false }, new: { ...row, up: true } }), ["-downPorts/a.default"]);
  t.same(take({ old: { ...row, up: true }, new: { ...row, up: true, tag: 7 } }), []);
});

t.test("a row that gets another one's name in one message keeps its own fact, whichever comes first", async (t) => {
  const [old, now] = [
    port("u1", "a.default", "10.16.0.2", { up: true }),
    port("u2", "a.default", "10.16.0.3", { up: true }),
  ];
  for (const order of [
    [{ old }, { new: now }],
    [{ new: now }, { old }],
  ] as const) {
    const { facts, take } = world();
    take({ new: old });
    t.same(take(...order), ["+ports/a.default"], "no reader sees it deleted");
    t.equal(facts.get("ports", "a.default")?.v4, "10.16.0.3");
  }
});

t.test("a row whose projection throws keeps its fact, and the others are processed", async (t) => {
  const { facts, failures, take } = world();
  const [a, b] = [
    port("u1", "a.default", "10.16.0.2", { up: true }),
    port("u2", "b.default", "10.16.0.3", { up: true }),
  ];
  take({ new: a });
  t.same(take({ old: a, new: { ...a, addresses: null } }, { new: b }), ["+ports/b.default"]);
  t.equal(facts.get("ports", "a.default")?.v4, "10.16.0.2");
  t.equal(failures.size, 1);
  const healed = port("u1", "a.default", "10.16.0.4", { up: true });
  t.same(take({ old: a, new: healed }), ["+ports/a.default"]);
  t.equal(failures.size, 0);
});

t.test(
  "of a table only the columns that its kinds read are monitored, and of southbound ports only those of gateways",
  async (t) => {
    t.same(selectionOf(SOUTHBOUND_KINDS).Port_Binding, {
      columns: ["logical_port", "chassis"],
      whereAny: [
        ["type", "==", "chassisredirect"],
        ["type", "==", "external"],
      ],
    });
    const asked = Object.keys(selectionOf(SOUTHBOUND_KINDS));
    for (const large of ["Logical_Flow", "MAC_Binding", "FDB", "Chassis_Private"])
      t.notOk(asked.includes(large), large);
    t.match(selectionOf(NORTHBOUND_KINDS).BFD, ["logical_port", "dst_ip", "status"]);
  },
);
