// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { sampleFacts } from "../compile/testing/sample-facts.ts";
import type { Fragment } from "../desired/fragment.ts";
import { qualify, rowUuid } from "../desired/identity.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { OVN_NB } from "../ovsdb/generated/ovn-nb.ts";
import { isReference } from "../ovsdb/schema.ts";
import { portKind, setPort, setSwitch, switchKind, testEngine } from "./testing/engine.ts";
import { type RowIdentity, withClusterId } from "./with-cluster-id.ts";

const identity = (id: string): RowIdentity => ({
  clusterId: () => id,
  isReference: (table, column) => isReference(OVN_NB, table, column),
});

/** Every uuid in a text, with repetitions. */
function uuidsIn(value: unknown): readonly string[] {
  return JSON.stringify(value).match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
}

t.test("every uuid in all fragments becomes the cluster's, and nothing else changes", async (t) => {
  const build = new FragmentBuilder();
  build.held("Logical_Switch", "s", "ports", "Logical_Switch_Port", "p", {
    name: "p",
    dhcpv4_options: rowUuid("DHCP_Options", "s/dhcpv4"),
  });
  const fragments = [build.finish(), ...compileAll(sampleFacts()).values()];
  t.ok(fragments.length > 5);
  fc.assert(
    fc.property(fc.uuid(), fc.constantFrom(...fragments), (id, fragment) => {
      const made = withClusterId(fragment, identity(id));
      const backwards = new Map(uuidsIn([fragment.rows, fragment.edges]).map((uuid) => [qualify(uuid, id), uuid]));
      const text = JSON.stringify([made.rows, made.edges]);
      // Plain uuids that are not in the map would stay unchanged.
      const back = text.replaceAll(
        /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
        (uuid) => backwards.get(uuid) ?? "?",
      );
      return back === JSON.stringify([fragment.rows, fragment.edges]) && made.effects === fragment.effects;
    }),
  );
});

t.test("without a cluster id a fragment stays the same object", async (t) => {
  for (const fragment of compileAll(sampleFacts()).values()) t.equal(withClusterId(fragment, identity("")), fragment);
});

t.test("a set of references stays sorted, and strings are no references although they look like them", async (t) => {
  const plain = Array.from({ length: 20 }, (_, i) => rowUuid("Load_Balancer_Group", String(i))).sort();
  const columns = { name: plain[0], load_balancer_group: plain, external_ids: { id: plain[0] ?? "" } };
  const row = { table: "Logical_Switch", uuid: plain[0] ?? "", label: "s", columns };
  const edge = { table: "Address_Set", row: plain[1] ?? "", column: "addresses", member: plain[2] ?? "" };
  const fragment: Fragment = { database: "OVN_Northbound", rows: [row], edges: [edge], effects: [] };
  const { rows, edges } = withClusterId(fragment, identity("a"));
  const own = (uuid = ""): string => qualify(uuid, "a");
  t.same(rows[0]?.columns, { ...columns, load_balancer_group: plain.map(own).sort() });
  t.same(edges, [{ ...edge, row: own(plain[1]) }]);
});

t.test("no map of the northbound database refers to rows, because such references would not be found", async (t) => {
  for (const [table, { columns }] of Object.entries(OVN_NB.tables)) {
    for (const [column, { key, value }] of Object.entries(columns)) {
      if (value !== undefined) t.same([key.refTable, value.refTable], [undefined, undefined], `${table}.${column}`);
    }
  }
});

t.test("a unit with rows of another database is not written, says so, and the others are", async (t) => {
  const failures: string[] = [];
  const astray: typeof portKind = {
    ...portKind,
    compile: (input) => ({ ...portKind.compile(input), ...(input.name === "p1" && { database: "OVN_IC_Northbound" }) }),
  };
  const { facts, database, timers, engine } = testEngine({
    kinds: [switchKind, astray],
    onUnitFailure: (unit, { message }) => failures.push(`${unit}: ${message}`),
  });
  engine.start();
  setSwitch(facts, "s");
  setPort(facts, "p1", { switch: "s" });
  setPort(facts, "p2", { switch: "s" });
  await engine.whenIdle();
  t.same(database.names(), ["Port p2", "Switch s"]);
  timers.pass(600_000);
  await engine.whenIdle();
  t.same(database.names(), ["Port p2", "Switch s"], "also when it is retried");
  t.same([...engine.uncompiled], ["port:p1"]);
  t.same(
    new Set(failures),
    new Set(["port:p1: failed to compile (its rows belong to database OVN_IC_Northbound, not OVN_Northbound)"]),
  );
});
