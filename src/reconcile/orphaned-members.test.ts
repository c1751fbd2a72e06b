// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Desired } from "./desired.ts";
import { findOrphanedMembers } from "./orphaned-members.ts";
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
