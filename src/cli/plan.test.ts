// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { equalsGolden } from "../collections/testing/golden.ts";
import { NETWORK_POLICIES } from "../kube/resources.ts";
import type { ReachChanges } from "../reachability/change.ts";
import { readManifest } from "./manifest.ts";
import { type PlanOptions, planCommand } from "./plan.ts";
import { SampleCluster } from "./testing/sample-cluster.ts";

async function plan(cluster: SampleCluster, manifest: string, options: Partial<PlanOptions> = {}) {
  const file = join(await mkdtemp(join(tmpdir(), "weft-")), "manifest.yaml");
  await writeFile(file, manifest);
  const report = await planCommand(cluster.kube, { file: [file], namespace: "default", allRows: true, ...options });
  return {
    ...report,
    text: report.text.replaceAll(file, "manifest.yaml"),
    reach: (report.data as { reachability: ReachChanges }).reachability,
  };
}

/** Compares the part before the rows with `plan.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
function golden(t: Test, name: string, whole: string): void {
  const [text = ""] = whole.split("\nNorthbound rows:");
  equalsGolden(t, new URL(`./plan.golden/${name}.txt`, import.meta.url), text);
}

const DB = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 5432}]
`;

t.test("a new policy: which pods lose what, why, and the rows; nothing is stored", async (t) => {
  const cluster = await SampleCluster.shop();
  const { text, ok, reach } = await plan(cluster, DB);
  golden(t, "new-policy", text);
  t.match(text, /\nNorthbound rows:\n(.|\n)*\n\+ ACL np\/default\/db\/ingress\/0\/.*\n {4}action: "allow-related"\n/);
  t.match(text, /\n~ Port_Group group\/weft.pods.* ports\n {4}\+ Logical_Switch_Port db.default\//);
  t.ok(ok, "changes are not a failure");
  t.same(reach.totals, { gaining: 0, losing: 3, pairs: 12 });
  t.same(cluster.kube.objects(NETWORK_POLICIES), []);
});

t.test("deleting it restores the reachability", async (t) => {
  const cluster = await SampleCluster.shop();
  await plan(cluster, DB);
  await cluster.policy("default/db", {
    podSelector: { matchLabels: { app: "db" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432 }] }],
  });
  const same = await plan(cluster, DB);
  t.match(same.text, /Reachability: no change(.|\n)*no change/, "applying an unchanged object changes nothing");
  const { text, ok } = await plan(cluster, DB, { delete: true, exitCode: true });
  golden(t, "deleted-policy", text);
  t.notOk(ok, "--exit-code reports a change");
  t.equal(cluster.kube.objects(NETWORK_POLICIES).length, 1);
});

t.test("labels of a pod and of a namespace count too, and several documents are one change", async (t) => {
  const cluster = await SampleCluster.shop();
  await cluster.policy("default/by-team", {
    podSelector: { matchLabels: { app: "db" } },
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "blue" } } }] }],
  });
  const { text, reach } = await plan(
    cluster,
    `{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: blue}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, labels: {app: db}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: front}}`,
  );
  golden(t, "labels", text);
  t.match(text, /Notes:\n {2}manifest.yaml:5: Deployment front does not affect reachability/);
  t.same(
    reach.changes.map(({ change, from, to }) => [change, from, to]),
    [
      ["loses", "default/db", "default/web-1"],
      ["loses", "default/web-2", "default/web-1"],
      ["loses", "outside", "default/web-1"],
      ["gains", "other/stranger", "default/db"],
    ],
  );
});

t.test("fields that apply would remove are removed, other programs' fields stay", async (t) => {
  const cluster = await SampleCluster.shop();
  const spec = { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [{}] };
  const before = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "all", namespace: "default" },
    spec,
  };
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(before) };
  await cluster.add(NETWORK_POLICIES, { metadata: { ...before.metadata, annotations }, spec });
  const { egress: _, ...without } = spec;
  const { reach } = await plan(cluster, JSON.stringify({ ...before, spec: without }));
  t.ok(
    reach.changes.some(({ change, to }) => change === "loses" && to === "outside"),
    "the egress rule is removed",
  );
});

t.test("refusals of the API server are reported for every object, and missing permissions are noted", async (t) => {
  const cluster = await SampleCluster.shop();
  cluster.kube.fail({ verb: "create", code: "invalid" });
  await t.rejects(plan(cluster, DB), {
    name: "ManifestError",
    message: /would refuse this:\n {2}NetworkPolicy default\/db: /,
  });
  const other = await SampleCluster.shop();
  other.kube.fail({ verb: "create", code: "forbidden" });
  const { text, reach } = await plan(other, DB);
  t.match(text, /NetworkPolicy default\/db was not checked by the API server/);
  t.equal(reach.totals.losing, 3);
});

t.test("parts of a policy that are not enforced as written are reported", async (t) => {
  const { text } = await plan(await SampleCluster.shop(), DB.replace("5432", "postgres"));
  t.match(text, /Notes:\n {2}NetworkPolicy default\/db: port postgres: no pod/);
});

t.test("an invalid manifest is refused with the place", async (t) => {
  for (const [text, message] of [
    ["", /m\.yaml: contains no object/],
    ["a: [", /m\.yaml: .*line 1/],
    ["kind: Pod", /m\.yaml:1: apiVersion or kind is missing/],
    ["apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}", /m\.yaml:1: metadata\.name of this Pod is missing/],
    ["a: 1\napiVersion: v1\nkind: Namespace", /metadata\.name of this Namespace/],
    [
      "{apiVersion: extensions/v1beta1, kind: NetworkPolicy, metadata: {name: x}}",
      /NetworkPolicy is supported as networking\.k8s\.io\/v1/,
    ],
  ] as const) {
    t.throws(() => readManifest(text, "m.yaml", "default"), { name: "ManifestError", message });
  }
  const list = `{apiVersion: v1, kind: List, items: [${"{apiVersion: v1, kind: Namespace, metadata: {name: a}}"}]}`;
  t.equal(readManifest(list, "m.yaml", "default").objects[0]?.label, "Namespace a");
});

t.test("a Subnet that becomes private and a SecurityGroup that opens are changes like those of policies", async (t) => {
  const cluster = await SampleCluster.shop();
  const subnet = "{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: ovn-default}, spec: {private: true}}";
  const { text, reach } = await plan(cluster, subnet);
  t.same(
    reach.changes.filter(({ from }) => from === "outside").map(({ change, what }) => [change, what]),
    [["loses", "everything"]],
    "pods of the subnet are one class, which no pod from outside reaches",
  );
  t.match(text, /ingress .*: dropped by Subnet ovn-default, spec\.private/);
  t.equal(reach.totals.losing, 0, "its own pods still reach each other");

  const guarded = await SampleCluster.make();
  await guarded.pod("default/client");
  await guarded.pod("default/db", {}, { annotations: { "ovn.kubernetes.io/security_groups": "db" } });
  const group = `
apiVersion: kubeovn.io/v1
kind: SecurityGroup
metadata: {name: db}
spec:
  ingressRules:
    - {ipVersion: ipv4, protocol: tcp, priority: 10, remoteType: address, remoteAddress: 0.0.0.0/0, portRangeMin: 5432, portRangeMax: 5432, policy: allow}
    - {ipVersion: ipv6, protocol: tcp, priority: 10, remoteType: address, remoteAddress: "::/0", portRangeMin: 5432, portRangeMax: 5432, policy: allow}
`;
  const opened = await plan(guarded, group);
  t.same(
    opened.reach.changes.map(({ change, from, to, what }) => [change, from, to, what]),
    [
      ["gains", "default/client", "default/db", "TCP 5432"],
      ["gains", "outside", "default/db", "TCP 5432"],
    ],
  );
});
