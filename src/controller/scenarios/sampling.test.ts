// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { samplePoint } from "../../api/sampling.ts";
import { addNetworkPolicy, SAMPLE_CLUSTER, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { engineRig } from "../testing/engine-rig.ts";

t.test("sampling that is switched on and off leaves no row behind, and changes nothing else", async (t) => {
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
