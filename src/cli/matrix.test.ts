// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { PODS, VPCS } from "../kube/resources.ts";
import type { Matrix } from "../reachability/matrix.ts";
import { matrixCommand } from "./matrix.ts";
import { SampleCluster } from "./testing/sample-cluster.ts";

async function shop(): Promise<SampleCluster> {
  const cluster = await SampleCluster.shop();
  await cluster.policy("default/db", {
    podSelector: { matchLabels: { app: "db" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432 }] }],
  });
  return cluster;
}

t.test("a matrix has a row for each kind of pod and lists what is partly open", async (t) => {
  const { text, ok } = await matrixCommand((await shop()).kube, { namespace: "default" });
  t.equal(
    text,
    `From the row to the column, all ports and protocols:

                     1 2
1 default/db         - ●
2 default/web-* (2)  ◐ ●

◐ open in part:
  default/web-* (2) → default/db: TCP 5432

6 pairs of pods: 4 ● open, 2 ◐ open in part, 0 · closed.
`,
  );
  t.ok(ok);
});

t.test("a matrix has pods of peered VPCs, and names the VPC without a route", async (t) => {
  const cluster = await SampleCluster.make();
  for (const [n, own, other, staticRoutes] of [
    [0, "a", "b", [{ cidr: "10.77.1.0/24", nextHopIP: "169.254.0.2", policy: "policyDst" }]],
    [1, "b", "a", [{ cidr: "10.77.0.0/24", nextHopIP: "169.254.0.1", policy: "policyDst" }]],
    [2, "c", "b", []],
  ] as const) {
    const vpcPeerings = [{ remoteVpc: `team-${other}`, localConnectIP: `169.254.${n >> 1}.${(n & 1) + 1}/30` }];
    await cluster.add(VPCS, {
      metadata: { name: `team-${own}` },
      spec: { vpcPeerings, staticRoutes },
      status: { standby: true, subnets: [`net-${own}`] },
    });
    await cluster.subnet(`net-${own}`, `10.77.${n}.0/24`, { vpc: `team-${own}` });
    const made = await cluster.add(PODS, {
      metadata: { namespace: "default", name: own, labels: { own } },
      spec: { nodeName: "weft-1" },
    });
    const of = { podName: own, namespace: "default", nodeName: "weft-1", subnet: `net-${own}` };
    await cluster.ip(`${own}.default`, of, `10.77.${n}.5`, "", made.metadata.uid);
  }
  const { data } = await matrixCommand(cluster.kube, { namespace: "default", output: "json" });
  const { rows, cells } = data as Matrix;
  t.same(
    rows.map(({ name }) => name),
    ["default/a", "default/b", "default/c"],
  );
  t.same(
    cells.map((row) => row.map(({ reach }) => reach)),
    [
      ["self", "all", "none"],
      ["all", "self", "none"],
      ["none", "none", "self"],
    ],
  );
  t.match(cells[0]?.[2]?.why, /net-a is in VPC team-a and net-c in VPC team-c, and no peering connects them/);
});

t.test("a matrix for one port and another namespace", async (t) => {
  const { data } = await matrixCommand((await shop()).kube, {
    namespace: "other",
    to: "default",
    port: "5432",
    output: "json",
  });
  const { cells, totals, columns } = data as Matrix;
  t.same(
    columns.map(({ name }) => name),
    ["default/db", "default/web-* (2)"],
  );
  t.same(
    cells[0]?.map(({ reach }) => reach),
    ["none", "all"],
  );
  t.match(cells[0]?.[0]?.why, /ingress default\/db: isolated by NetworkPolicy default\/db/);
  t.same(totals, { pairs: 3, all: 2, some: 0, none: 1 });
});

t.test("the page is self-contained, and has the reason in the title of a cell", async (t) => {
  const file = join(await mkdtemp(join(tmpdir(), "weft-")), "reach.html");
  await matrixCommand((await shop()).kube, { namespace: "*", html: file });
  const page = await readFile(file, "utf8");
  t.notMatch(page, /<script|<link|src=|href=|url\(/);
  t.match(
    page,
    /<td class="none" title="other\/stranger → default\/db: nothing\ningress default\/db: isolated by NetworkPolicy/,
  );
});

t.test("a missing namespace, or a port by name, is refused with what is accepted", async (t) => {
  const { kube } = await shop();
  await t.rejects(matrixCommand(kube, { namespace: "nope" }), {
    message: /namespace nope does not exist; existing namespaces: default, other/,
  });
  await t.rejects(matrixCommand(kube, { namespace: "default", port: "http" }), { message: /give a number/ });
});
