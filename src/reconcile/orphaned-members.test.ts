// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Edge } from "../desired/fragment.ts";
import { Desired } from "./desired.ts";
import { findMovedMembers, findOrphanedMembers } from "./orphaned-members.ts";
import type { DatabaseView } from "./transaction-plan.ts";

t.test("orphaned members are found in sets of desired rows, and in no others", async (t) => {
  const desired = new Desired();
  const row = (uuid: string) => ({ table: "Group", uuid, label: uuid, columns: { name: uuid } });
  const edge = { table: "Group", row: "g1", column: "acls", member: "kept" };
  desired.replace("group:1", { database: "OVN_Northbound", rows: [row("g1")], edges: [edge], effects: [] });
  desired.replace("group:new", { database: "OVN_Northbound", rows: [row("g2")], edges: [], effects: [] });
  desired.replace("other:1", {
    database: "OVN_Northbound",
    rows: [{ ...row("o1"), table: "Other" }],
    edges: [],
    effects: [],
  });
  const set = { acls: ["kept", "left"], ports: ["p"] };
  const tables: Readonly<Record<string, Readonly<Record<string, typeof set>>>> = {
    Group: { g1: set, unknown: set },
    Other: { o1: set },
  };
  const view: DatabaseView = { get: (table, uuid) => tables[table]?.[uuid], isRoot: () => true };
  const found = [...findOrphanedMembers(desired, view, [{ table: "Group", column: "acls", members: "Port" }])];
  t.strictSame(found, [{ unit: "group:1", edge: { ...edge, member: "left" } }]);
});

t.test("of sets in which others have members only ours leave, unless they are many", async (t) => {
  const desired = new Desired();
  const row = (table: string, uuid: string) => ({ table, uuid, label: uuid, columns: {} });
  const has = (unit: string, rows: readonly ReturnType<typeof row>[]): void =>
    void desired.replace(unit, { database: "OVN_Northbound", rows, edges: [], effects: [] });
  has("router:a", [row("Router", "a")]);
  has("rule:changed", [row("Nat", "new")]);
  has("rule:deleting", []);
  const nats = new Map(["rule:changed", "rule:deleting", "rule:gone", "rule:odd"].map((owner) => [owner, owner]));
  const view: DatabaseView = {
    isRoot: () => true,
    get: (table, uuid) => {
      const owner = nats.get(uuid);
      if (table === "Router") return { nat: [...nats.keys(), "of an administrator"] };
      return owner === undefined ? { external_ids: {} } : { external_ids: { "weft-owner": owner } };
    },
  };
  const column = { table: "Router", column: "nat", members: "Nat", shared: true } as const;
  const found = () => findOrphanedMembers(desired, view, [column], (unit) => unit === "rule:odd");
  const edge = (member: string) => ({ table: "Router", row: "a", column: "nat", member });
  t.strictSame(found(), [
    { unit: "rule:changed", edge: edge("rule:changed") },
    { unit: "router:a", edge: edge("rule:deleting") },
    { unit: "router:a", edge: edge("rule:gone") },
  ]);
  for (let i = 0; i < 50; i++) nats.set(`${i}`, `rule:${i}`);
  t.strictSame(found(), []);
});

t.test(
  "a row that is wanted in another set than before leaves the former set with the changes of its unit",
  async (t) => {
    const desired = new Desired();
    const row = (table: string, uuid: string) => ({ table, uuid, label: uuid, columns: {} });
    const has = (unit: string, rows: readonly ReturnType<typeof row>[], edges: readonly Edge[] = []): void =>
      void desired.replace(unit, { database: "OVN_Northbound", rows, edges, effects: [] });
    has("router:a", [row("Router", "a")]);
    has("router:b", [row("Router", "b")]);
    const edge: Edge = { table: "Router", row: "b", column: "nat", member: "moved" };
    has("rule:1", [row("Nat", "moved")], [edge]);
    const tables: Readonly<Record<string, { readonly nat: readonly string[] }>> = {
      a: { nat: ["moved", "orphaned"] },
      b: { nat: ["moved"] },
    };
    const view: DatabaseView = { get: (_table, uuid) => tables[uuid] as never, isRoot: () => true };
    const found = [...findMovedMembers(desired, view, new Map([["Router", [{ column: "nat" }]]]))];
    t.strictSame(found, [{ unit: "rule:1", edge: { ...edge, row: "a" } }]);
  },
);
