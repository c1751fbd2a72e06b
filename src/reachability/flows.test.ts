// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { samplePoint } from "../api/sampling.ts";
import { addIp, addNetworkPolicy, addPod, SAMPLE_CLUSTER, sampleFacts } from "../compile/testing/sample-facts.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { FlowNames, isOfNamespace } from "./flows.ts";

function cluster(sampling?: number) {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, ...(sampling !== undefined && { sampling }) });
  addPod(facts, "db", { node: "weft-2", labels: { app: "db" } });
  addIp(facts, "db.default", {
    podName: "db",
    namespace: "default",
    nodeName: "weft-2",
    subnet: "ovn-default",
    v4: "10.16.0.3",
    v6: "fd00:10:16::3",
  });
  addNetworkPolicy(facts, "db", {
    podSelector: { matchLabels: { app: "db" } },
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 5432 }] }],
  });
  return { facts, fragments: compileAll(facts) };
}

t.test("a flow has the names of its pods, and of the rule that decided", async (t) => {
  const { facts, fragments } = cluster(65_535);
  const names = new FlowNames(facts, fragments.values());
  const acls = [...fragments.values()].flatMap(({ rows }) => rows.filter(({ table }) => table === "ACL"));
  const named = acls
    .filter(({ label }) => label.startsWith("np/default/db/"))
    .map(({ label }) =>
      names.name({
        sequence: 1,
        point: samplePoint(label),
        from: "10.16.0.2",
        to: "10.16.0.3",
        protocol: 6,
        port: 5432,
        first: 1,
        last: 2,
        packets: 1,
      }),
    );
  t.ok(named.some(({ verdict, rule }) => verdict === "allowed" && rule?.startsWith("ingress/0")));
  t.ok(named.some(({ verdict, at }) => verdict === "dropped" && at === "ingress"));
  t.match(named[0], {
    from: { holders: ["default/a"] },
    to: { holders: ["default/db"] },
    protocol: "TCP",
    port: 5432,
    policy: "np/default/db",
  });
  t.ok(named[0] && isOfNamespace(named[0], "default") && !isOfNamespace(named[0], "def"));
  const gone = names.name({
    sequence: 1,
    point: 1,
    from: "192.0.2.1",
    to: "fd00:10:16::3",
    protocol: 47,
    port: 0,
    first: 1,
    last: 2,
    packets: 1,
  });
  t.strictSame(
    [gone.verdict, gone.from.holders, gone.to.holders, gone.protocol],
    ["unknown", [], ["default/db"], "47"],
  );
});

t.test("a flow of a number that two ACLs have has the names of both, and no verdict where they differ", (t) => {
  const { facts, fragments } = cluster(65_535);
  const acl = (policy: string, action: string) => ({
    ...{ table: "ACL", uuid: policy, label: "the number" },
    columns: { action, direction: "to-lport", external_ids: { policy, rule: "ingress/0" } },
  });
  const named = (...rows: readonly ReturnType<typeof acl>[]) =>
    new FlowNames(facts, [...fragments.values(), { database: "OVN_Northbound", rows, edges: [], effects: [] }]).name({
      ...{ sequence: 1, point: samplePoint("the number"), from: "10.16.0.2", to: "10.16.0.3", protocol: 6, port: 80 },
      ...{ first: 1, last: 2, packets: 1 },
    });
  t.match(named(acl("np/a/one", "drop"), acl("np/b/two", "drop")), {
    ...{ verdict: "dropped", at: "ingress", policy: "np/a/one|np/b/two", rule: "ingress/0|ingress/0" },
  });
  t.match(named(acl("np/a/one", "drop"), acl("np/b/two", "allow-related")), {
    ...{ verdict: "unknown", at: "ingress", policy: "np/a/one|np/b/two" },
  });
  t.end();
});

t.test(
  "where connections are sampled, each ACL of a policy has a sample for the collector; elsewhere none has",
  async (t) => {
    const rowsOf = (sampling?: number) => [...cluster(sampling).fragments.values()].flatMap(({ rows }) => rows);
    const edgesOf = (sampling?: number) => [...cluster(sampling).fragments.values()].flatMap(({ edges }) => edges);
    const count = (rows: readonly { table: string }[], table: string): number =>
      rows.filter((row) => row.table === table).length;
    const rows = rowsOf(655);
    const policy = rows.filter(({ table, label }) => table === "ACL" && /^(np|sg)\//.test(label));
    t.equal(count(rows, "Sample"), policy.length);
    t.equal(
      edgesOf(655).filter(({ table, column }) => table === "ACL" && column === "sample_new").length,
      policy.length,
    );
    t.match(rows.find(({ table }) => table === "Sample_Collector")?.columns, { probability: 655, set_id: 87 });
    t.match(rows.find(({ table }) => table === "Sampling_App")?.columns, { type: "acl-new" });
    const off = rowsOf();
    for (const table of ["Sample", "Sample_Collector", "Sampling_App"]) t.equal(count(off, table), 0, table);
    t.equal(edgesOf().filter(({ column }) => column === "sample_new").length, 0);
  },
);
