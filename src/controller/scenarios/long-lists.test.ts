// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { VpcSpec, VpcStatus } from "../../api/generated/vpc.ts";
import { FINALIZER } from "../../api/names.ts";
import type { CustomObject } from "../../kube/object.ts";
import { VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type Vpc = CustomObject<VpcSpec, VpcStatus>;

/** Lists with that many entries each. */
function listsOf(count: number): Required<Pick<VpcSpec, "staticRoutes" | "policyRoutes">> {
  const host = (i: number): string => `${Math.floor(i / 256)}.${i % 256}`;
  const numbers = Array.from({ length: count }, (_, i) => i);
  return {
    staticRoutes: numbers.map((i) => ({ policy: "policyDst", cidr: `198.18.${host(i)}/32`, nextHopIP: "10.50.0.254" })),
    policyRoutes: numbers.map((i) => ({
      ...{ priority: 100 + i, action: "reroute", nextHopIP: "10.50.0.253" },
      match: `ip4.src == 10.50.0.0/24 && ip4.dst == 198.19.${host(i)}`,
    })),
  };
}

/** A Vpc as kubectl applies it, with kubectl's copy of what was applied. */
function applied(spec: VpcSpec) {
  const lastApplied = JSON.stringify({ apiVersion: "kubeovn.io/v1", kind: "Vpc", metadata: { name: "team" }, spec });
  return {
    metadata: { name: "team", annotations: { "kubectl.kubernetes.io/last-applied-configuration": lastApplied } },
    spec,
  };
}

t.test(
  "of lists with a thousand entries the last accepted ones stay when an entry is invalid, as of short ones",
  async (t) => {
    const { kube, server } = await cluster(t);
    const lists = listsOf(1_000);
    await kube.create<Vpc>(VPCS, applied(lists));
    const { stop } = candidate(t, kube, server);
    const team = () => kube.object<Vpc>(VPCS, { name: "team" });
    const policies = () =>
      server.rows(OVN_NB, "Logical_Router_Policy").filter(({ match }) => match.includes("198.19."));
    await eventually("it has the finalizer", () => team()?.metadata.finalizers?.includes(FINALIZER) || undefined);
    await eventually("its policies are in the database", () => policies().length === 1_000 || undefined);
    await stop();
    const wrong = lists.policyRoutes.map((rule, i) => (i === 500 ? { ...rule, match: "tcp.port == 80" } : rule));
    await kube.patch(VPCS, { name: "team" }, { type: "merge", body: applied({ ...lists, policyRoutes: wrong }) });
    candidate(t, kube, server);
    const said = await eventually("the condition says so", () =>
      team()?.status?.conditions?.find(({ message }) => message?.includes("policyRoutes[500].match")),
    );
    t.match(said.message, /the last accepted policyRoutes stay active/);
    t.equal(policies().length, 1_000);
  },
);

t.test("annotations of other clients that leave no room for a record do not keep the finalizer away", async (t) => {
  const { kube, server } = await cluster(t);
  const annotations = { "example.com/notes": "x".repeat(256 * 1024 - 100) };
  await kube.create<Vpc>(VPCS, { metadata: { name: "team", annotations }, spec: listsOf(1) });
  candidate(t, kube, server);
  const team = () => kube.object<Vpc>(VPCS, { name: "team" });
  await eventually("it has the finalizer", () => team()?.metadata.finalizers?.includes(FINALIZER) || undefined);
});
