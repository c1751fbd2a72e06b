// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { OWNER_KEY } from "../desired/identity.ts";
import { Desired } from "./desired.ts";
import { exceedsDeleteLimit, planSweep, type SweptRow } from "./orphaned-rows.ts";

const COLUMNS = new Map([
  ["Switch", [{ column: "ports", exclusive: false }]],
  ["Group", [{ column: "ports", exclusive: true }]],
]);
const isRoot = (table: string): boolean => table !== "Port";

function row(table: string, uuid: string, columns: SweptRow["columns"] = {}, owned: string | false = "u"): SweptRow {
  return { table, uuid, columns: { ...columns, external_ids: owned ? { [OWNER_KEY]: owned } : {} } };
}

t.test("owned rows that no unit wants are deleted: roots directly, others by removal from their holders", async (t) => {
  const desired = new Desired();
  desired.replace("u", {
    database: "OVN_Northbound",
    rows: [{ table: "Switch", uuid: "s", label: "s", columns: {} }],
    edges: [],
    effects: [],
  });
  const rows = [
    row("Switch", "s", { ports: ["foreign", "left"] }),
    row("Switch", "old", { ports: ["inside"] }),
    row("Port", "left"),
    row("Port", "inside"),
    row("Port", "foreign", {}, false),
    row("Switch", "theirs", { ports: [] }, false),
  ];
  const sweep = planSweep(desired, rows, isRoot, COLUMNS);
  t.same(sweep.plan.deletes, [{ table: "Switch", uuid: "old" }]);
  t.same(sweep.plan.mutations, [{ table: "Switch", row: "s", column: "ports", insert: [], delete: ["left"] }]);
  t.equal(sweep.owned, 4);
  t.equal(sweep.orphans.length, 3);
});

t.test("a row that is ours without external_ids is deleted as well", async (t) => {
  const rows = [
    { table: "Group", uuid: "old", columns: { name: "weft/vpc/old" }, ours: true },
    { table: "Group", uuid: "theirs", columns: { name: "theirs" }, ours: false },
  ];
  t.same(planSweep(new Desired(), rows, isRoot, COLUMNS).plan.deletes, [{ table: "Group", uuid: "old" }]);
});

t.test("a membership from an earlier run leaves a group of ours, but not a switch that others also fill", async (t) => {
  const desired = new Desired();
  desired.replace("u", {
    database: "OVN_Northbound",
    rows: ["g", "s"].map((uuid) => ({ table: uuid === "g" ? "Group" : "Switch", uuid, label: uuid, columns: {} })),
    edges: [{ table: "Group", row: "g", column: "ports", member: "p" }],
    effects: [],
  });
  const rows = [
    row("Group", "g", { ports: ["p", "q"] }),
    row("Switch", "s", { ports: ["q"] }),
    row("Port", "q", {}, false),
  ];
  const sweep = planSweep(desired, rows, isRoot, COLUMNS);
  t.same(sweep.plan.mutations, [{ table: "Group", row: "g", column: "ports", insert: [], delete: ["q"] }]);
});

t.test("a sweep of more than 50 rows and half of those of a kind of unit exceeds the limit", async (t) => {
  const desired = new Desired();
  const keep = (unit: string, uuid: string): void =>
    void desired.replace(unit, {
      database: "OVN_Northbound",
      rows: [{ table: "Port", uuid, label: uuid, columns: {} }],
      edges: [],
      effects: [],
    });
  const sweep = (gone: number, there: number, kind = "pod"): boolean => {
    const rows = Array.from({ length: gone + there }, (_, i) => row("Port", `${kind}${i}`, {}, `${kind}:${i}`));
    for (let i = gone; i < gone + there; i++) keep(`${kind}:${i}`, `${kind}${i}`);
    const others = Array.from({ length: 1_000 }, (_, i) => row("Port", `other${i}`, {}, `other:${i}`));
    for (let i = 0; i < 1_000; i++) keep(`other:${i}`, `other${i}`);
    return exceedsDeleteLimit(planSweep(desired, [...rows, ...others], isRoot, COLUMNS));
  };
  t.equal(sweep(50, 0), false);
  t.equal(sweep(51, 0, "group"), true, "all of a kind, however many there are of others");
  t.equal(sweep(60, 61, "node"), false);
  t.equal(sweep(61, 60, "vpc"), true);
});

t.test("pods recreated with their names while no controller ran do not count towards the limit", async (t) => {
  const desired = new Desired();
  const rows = Array.from({ length: 200 }, (_, i) => {
    const wanted = [{ table: "Port", uuid: `new${i}`, label: "", columns: {} }];
    desired.replace(`pod:${i}`, { database: "OVN_Northbound", rows: wanted, edges: [], effects: [] });
    return row("Port", `old${i}`, {}, `pod:${i}`);
  });
  const sweep = planSweep(desired, rows, isRoot, COLUMNS);
  t.equal(sweep.orphans.length, 200);
  t.equal(exceedsDeleteLimit(sweep), false);
});

t.test("rows that conflict with existing units are deleted even if the limit stops the rest", async (t) => {
  const desired = new Desired();
  const made = (uuid: string) => ({ table: "Port", uuid, label: "web-0", columns: {} });
  desired.replace("pod:web-0", { database: "OVN_Northbound", rows: [made("new")], edges: [], effects: [] });
  desired.replace("switch:s", {
    database: "OVN_Northbound",
    rows: [{ ...made("s"), table: "Switch" }],
    edges: [],
    effects: [],
  });
  const others = Array.from({ length: 60 }, (_, i) => `other-${i}`);
  const rows = [
    row("Switch", "s", { ports: ["old", "new", ...others] }, "switch:s"),
    row("Port", "old", {}, "pod:web-0"),
    ...others.map((uuid) => row("Port", uuid, {}, `pod:${uuid}`)),
  ];
  const sweep = planSweep(desired, rows, isRoot, COLUMNS);
  t.equal(exceedsDeleteLimit(sweep), true);
  t.equal(sweep.plan.mutations[0]?.delete.length, 61);
  t.same(sweep.replaced.mutations, [{ table: "Switch", row: "s", column: "ports", insert: [], delete: ["old"] }]);
  t.same(sweep.replaced.deletes, []);
});

t.test("rows of a unit that could not be compiled stay, with the rows that refer to them", async (t) => {
  const desired = new Desired();
  desired.replace("s", {
    database: "OVN_Northbound",
    rows: [{ table: "Switch", uuid: "s", label: "s", columns: {} }],
    edges: [],
    effects: [],
  });
  const rows = [
    row("Switch", "s", { ports: ["odd", "left"] }),
    row("Switch", "odd-switch", {}, "odd"),
    row("Switch", "old"),
    row("Port", "odd", {}, "odd"),
    row("Port", "left"),
    row("Group", "of-the-odd", { ports: ["odd", "other"] }, "gone"),
    row("Group", "of-others", { ports: ["left"] }, "gone"),
    row("Port", "other", {}, "other"),
  ];
  const sweep = planSweep(desired, rows, isRoot, COLUMNS, (unit) => unit === "odd");
  t.same(
    sweep.plan.deletes.map(({ uuid }) => uuid),
    ["old", "of-others"],
  );
  t.same(sweep.plan.mutations, [{ table: "Switch", row: "s", column: "ports", insert: [], delete: ["left"] }]);
  t.equal(sweep.kinds.get("odd")?.gone ?? 0, 0, "nor does it count towards the limit");
});
