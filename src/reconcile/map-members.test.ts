// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { ColumnValue, Edge } from "../desired/fragment.ts";
import { mapEntry, splitMapEntry } from "../desired/map-entry.ts";
import { Desired } from "./desired.ts";
import { noteDrift } from "./drift.ts";
import { planSweep } from "./orphaned-rows.ts";
import { Touched } from "./touched.ts";
import { planChanges } from "./transaction-plan.ts";

const ROW = "row";
const edge = (member: string): Edge => ({ table: "Vars", row: ROW, column: "variables", member });
const fragment = (members: readonly string[], own = false) => ({
  database: "OVN_Northbound" as const,
  rows: own ? [{ table: "Vars", uuid: ROW, label: ROW, columns: { chassis: "c" } }] : [],
  edges: members.map(edge),
  effects: [],
});

/** The desired state of a row that its unit `own` has, and a database in which the map has these entries. */
function rig(variables: Readonly<Record<string, string>>) {
  const desired = new Desired();
  desired.replace("own", fragment(["zone="], true));
  const row: Record<string, ColumnValue> = { chassis: "c", variables, external_ids: { "weft-owner": "own" } };
  const view = { get: () => row, isRoot: () => true };
  return { desired, view, row };
}

t.test("an entry may have an empty value, or one with a sign of equality", async (t) => {
  for (const [key, value] of [
    ["a", ""],
    ["a", "b=c"],
  ] as const)
    t.same(splitMapEntry(mapEntry(key, value)), [key, value]);
});

t.test("units add entries to a map and delete their own", async (t) => {
  const { desired, view, row } = rig({ zone: "" });
  const added = desired.replace("a", fragment(["local=10.0.0.1:80"]));
  t.match(planChanges(desired, view, added.touched).mutations, [{ insert: ["local=10.0.0.1:80"], delete: [] }]);
  row["variables"] = { zone: "", local: "10.0.0.1:80" };
  t.same(planChanges(desired, view, added.touched).mutations, [], "what is there costs nothing");
  const gone = desired.replace("a", undefined);
  t.match(planChanges(desired, view, gone.touched).mutations, [{ insert: [], delete: ["local=10.0.0.1:80"] }]);
});

t.test("a changed value replaces the former one, whichever client set it", async (t) => {
  const { desired, view, row } = rig({ zone: "", local: "a" });
  desired.replace("a", fragment(["local=a"]));
  const change = desired.replace("a", fragment(["local=b"]));
  const wanted = [{ insert: ["local=b"], delete: ["local=a"] }];
  t.strictSame(
    planChanges(desired, view, change.touched).mutations.map(({ insert, delete: gone }) => ({ insert, delete: gone })),
    wanted,
  );
  // Orphaned by an earlier run, which is not recorded: OVSDB would keep it.
  row["variables"] = { zone: "", local: "left" };
  const fresh = new Desired();
  fresh.replace("own", fragment(["zone="], true));
  const first = fresh.replace("a", fragment(["local=b"]));
  t.match(planChanges(fresh, view, first.touched).mutations, [{ insert: ["local=b"], delete: ["local=left"] }]);
});

t.test("changes of another client in a map are reverted", async (t) => {
  const { desired, view, row } = rig({ zone: "" });
  const before = { ...row };
  row["variables"] = { zone: "elsewhere", more: "x" };
  const touched = new Touched();
  noteDrift(
    desired,
    { table: "Vars", uuid: ROW, old: before, new: row },
    () => touched,
    () => ["variables"],
  );
  const [mutation] = planChanges(desired, view, touched).mutations;
  t.same(mutation?.insert, ["zone="]);
  t.same([...(mutation?.delete ?? [])].sort(), ["more=x", "zone=elsewhere"]);
});

t.test("orphaned entries of an earlier run are swept", async (t) => {
  const { desired, row } = rig({ zone: "", old: "x" });
  const columns = new Map([["Vars", [{ column: "variables", exclusive: true }]]]);
  const { plan } = planSweep(desired, [{ table: "Vars", uuid: ROW, columns: row }], () => true, columns);
  t.match(plan.mutations, [{ insert: [], delete: ["old=x"] }]);
  t.same(plan.deletes, []);
});
