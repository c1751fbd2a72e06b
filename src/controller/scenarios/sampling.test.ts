// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { samplePoint } from "../../api/sampling.ts";
import { addNetworkPolicy, SAMPLE_CLUSTER, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { compileAll } from "../../kinds/compile-all.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import { exceedsDeleteLimit, planSweep } from "../../reconcile/orphaned-rows.ts";
import { desiredOf } from "../../recording/rows-text.ts";
import { engineRig } from "../testing/engine-rig.ts";

t.test("switching sampling on and off leaves no row behind, and changes nothing else", async (t) => {
  const facts = sampleFacts();
  addNetworkPolicy(facts, "web", { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] });
  const { northbound, engine, close } = await engineRig(t, facts);
  t.teardown(close);
  const rows = (table: string) => [...northbound.rows()].filter((row) => row.table === table);
  const before = [...northbound.rows()].map(({ table, uuid, columns }) => [table, uuid, columns]);
  t.equal(rows("Sample").length, 0);

  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, sampling: 65_535 });
  await engine.whenIdle();
  const [collector] = rows("Sample_Collector");
  const acls = rows("ACL").filter(({ columns }) => String(columns["name"]).startsWith("np/"));
  t.ok(acls.length > 1);
  for (const { columns } of acls) {
    const sample = rows("Sample").find(({ uuid }) => uuid === columns["sample_new"]);
    t.strictSame(sample?.columns["collectors"], [collector?.uuid], String(columns["name"]));
  }
  const { rows: wanted = [] } = engine.desired.fragment("networkpolicy:default/web") ?? {};
  const points = wanted.filter(({ table }) => table === "ACL").map(({ label }) => samplePoint(label));
  const known = rows("Sample").map(({ columns }) => columns["metadata"]);
  t.ok(points.length > 1 && points.every((point) => known.includes(point)), "a flow's point leads back to its ACL");

  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  await engine.whenIdle();
  t.strictSame(
    [...northbound.rows()].map(({ table, uuid, columns }) => [table, uuid, columns]),
    before,
  );
});

t.test(
  "a controller that starts without sampling removes the sampling rows of the former one, and nothing else",
  async (t) => {
    const factsOf = (sampling?: number) => {
      const facts = sampleFacts();
      for (let i = 0; i < 60; i++)
        addNetworkPolicy(facts, `web-${i}`, { podSelector: {}, ingress: [{ ports: [{ port: 80 + i }] }] });
      facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, ...(sampling !== undefined && { sampling }) });
      return facts;
    };
    const { northbound, engine, close } = await engineRig(t, factsOf(65_535));
    t.teardown(close);
    engine.stop();
    const rows = () => [...northbound.rows()];
    const others = rows()
      .filter(({ table }) => !table.startsWith("Sampl"))
      .map(({ table, uuid, columns }) => [
        table,
        uuid,
        { ...columns, ...(table === "ACL" && { sample_new: undefined }) },
      ]);
    t.ok(rows().length > others.length + 60);
    const sweep = planSweep(desiredOf(compileAll(factsOf())), rows(), northbound.view.isRoot, EDGE_COLUMNS);
    t.notOk(exceedsDeleteLimit(sweep), "no mass deletion has to be allowed");
    t.same(await northbound.commit(sweep.plan), { kind: "committed" });
    t.same(
      rows().map(({ table, uuid, columns }) => [table, uuid, columns]),
      others,
    );
  },
);
