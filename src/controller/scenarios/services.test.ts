// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addEndpoints, addService, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { exceedsDeleteLimit, planSweep } from "../../reconcile/orphaned-rows.ts";
import { planSize } from "../../reconcile/transaction-plan.ts";
import { engineRig } from "../testing/engine-rig.ts";

const SERVICES = 5_000;
const ports = [{ protocol: "TCP", port: 80 }];

t.test("with 5,000 Services, one more or one changed endpoint writes one small row", { timeout: 99_000 }, async (t) => {
  const facts = sampleFacts();
  const service = (i: number): void => {
    addService(facts, `s${i}`, { clusterIPs: [`10.96.${i >> 8}.${i & 255}`], ports });
  };
  const endpoint = (i: number, address: string): void => {
    addEndpoints(facts, `s${i}`, `s${i}-1`, { ports, endpoints: [{ addresses: [address] }] });
  };
  for (let i = 0; i < SERVICES; i++) service(i);
  const { engine, northbound, client, plans, close } = await engineRig(t, facts, { batch: SERVICES });
  t.teardown(close);
  const rows = () => [...northbound.rows()];
  const groups = () => rows().filter(({ table }) => table === "Load_Balancer_Group");
  t.equal(rows().filter(({ table }) => table === "Load_Balancer").length, SERVICES);
  t.match(
    groups(),
    [
      { columns: { name: "weft/vpc/ovn-cluster", load_balancer: { length: SERVICES } } },
      { columns: { load_balancer: { length: 0 } } },
    ],
    "all are in the VPC's group",
  );
  const groupsOf = (name: string): unknown =>
    rows().find(({ table, columns }) => table === "Logical_Switch" && columns["name"] === name)?.columns[
      "load_balancer_group"
    ];
  t.match(groupsOf("ovn-default"), { length: 2 });
  t.match(groupsOf("join"), { length: 0 }, "nodes' own traffic is not balanced here");

  plans();
  service(SERVICES);
  await engine.whenIdle();
  const added = plans();
  t.same(
    added.map((plan) => [plan.inserts.length, plan.mutations.length, planSize(plan)]),
    [[1, 1, 2]],
    "one row, and one membership",
  );
  t.equal(added[0]?.mutations[0]?.insert.length, 1);

  endpoint(17, "10.16.0.2");
  await engine.whenIdle();
  const changed = plans();
  t.same(
    changed.map((plan) => [plan.updates.length, planSize(plan)]),
    [[1, 1]],
    "one column of one row",
  );
  t.same(changed[0]?.updates[0]?.columns, { vips: { "10.96.0.17:80": "10.16.0.2:80" } });

  facts.set("services", "default/s17", undefined);
  await engine.whenIdle();
  t.equal(rows().filter(({ table }) => table === "Load_Balancer").length, SERVICES);

  const sweep = planSweep(engine.desired, northbound.rows(), northbound.view.isRoot, EDGE_COLUMNS);
  t.equal(planSize(sweep.plan), 0);
  t.notOk(exceedsDeleteLimit(sweep));
  const [group] = groups();
  await client.transact(OVN_NB.name, [
    { op: "insert", table: "Load_Balancer_Group", row: { name: "weft/vpc/gone" } },
    { op: "insert", table: "Load_Balancer_Group", row: { name: "foreign" } },
  ] as never);
  const again = planSweep(engine.desired, northbound.rows(), northbound.view.isRoot, EDGE_COLUMNS);
  t.same(
    again.orphans.map(({ columns }) => columns["name"]),
    ["weft/vpc/gone"],
    "a VPC's group that an earlier run left is swept; others' stay",
  );
  t.not(again.orphans[0]?.uuid, group?.uuid);
});
