// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { EVENTS, IPS, NODES, PODS, STATEFUL_SETS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { diagnoseCommand } from "./command.ts";
import type { Finding } from "./finding.ts";
import { diagnoseSubnets } from "./subnets.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const LATER = Date.now() + 3_600_000;

async function findings(kube: Kube, area: "all" | "node" | "pod" = "all", name?: string, now = NOW) {
  const { data, ok } = await diagnoseCommand(kube, "kube-system", { area, ...(name !== undefined && { name }) }, now);
  const { findings: found } = data as { readonly findings: readonly Finding[] };
  t.equal(ok, found.length === 0);
  return found;
}
const of = (found: readonly Finding[], object: string): readonly string[] =>
  found.filter((one) => one.object === object).map(({ problem }) => problem);

t.test("nodes: what their conditions, their tunnels and Weft's pods on them say", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.kube.patch(
    NODES,
    { name: "weft-1" },
    {
      type: "merge",
      body: {
        metadata: { annotations: { "ovn.kubernetes.io/chassis": "c1", "weft.kubeovn.io/unreachable-chassis": "c2" } },
      },
    },
  );
  await cluster.kube.patch(
    NODES,
    { name: "weft-2" },
    { type: "merge", body: { metadata: { annotations: { "ovn.kubernetes.io/chassis": "c2" } } } },
  );
  for (const app of ["kube-ovn-cni", "ovs"])
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name: `${app}-1`, labels: { app } },
      spec: { nodeName: "weft-1", hostNetwork: true },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
  const found = await findings(cluster.kube, "node");
  t.same(of(found, "Node weft-1"), ["all tunnels to weft-2 are down"]);
  t.same(of(found, "Node weft-2"), [
    "weft-daemon is not ready there",
    "Open vSwitch and ovn-controller is not ready there",
  ]);
  t.ok(found.every(({ evidence, remedy }) => evidence !== "" && remedy !== ""));
  t.same(of(await findings(cluster.kube, "node", "weft-2"), "Node weft-1"), []);
});

t.test("addresses: two records of one, records without a pod, pods without a record", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.ip(
    "b.default",
    { podName: "b", namespace: "default", nodeName: "weft-1", subnet: "ovn-default" },
    "10.16.0.2",
    "",
  );
  await cluster.ip(
    "db-0.default",
    { podName: "db-0", namespace: "default", nodeName: "weft-1", subnet: "ovn-default", podType: "StatefulSet" },
    "10.16.0.9",
    "",
  );
  await cluster.add(STATEFUL_SETS, { metadata: { namespace: "default", name: "db" }, spec: { replicas: 1 } });
  await cluster.add(PODS, { metadata: { namespace: "default", name: "waits" }, spec: { nodeName: "weft-1" } });
  const found = await findings(cluster.kube, "pod", undefined, LATER);
  const pods = found.filter(({ area }) => area === "pod");
  t.match(pods.map(({ object, problem }) => `${object} ${problem}`).sort(), [
    /^IP b.default has the address 10.16.0.2 of VPC ovn-cluster, which IP a.default has as well/,
    /^IP b.default holds 10.16.0.2 of subnet ovn-default, and there is no pod default\/b/,
    /^Pod default\/waits has no address/,
  ]);
  t.equal(
    (await cluster.kube.get(IPS, { name: "db-0.default" })).metadata.name,
    "db-0.default",
    "kept for its StatefulSet",
  );
});

t.test("subnets: not accepted, nearly full, full", async (t) => {
  const subnet = { vpc: "ovn-cluster", cidr: "10.1.0.0/24,fd00::/120", ready: "yes" };
  const found = diagnoseSubnets({
    vpcs: [{ name: "v", subnets: [], ready: "NO: VpcUnknown it is not there" }],
    subnets: [
      { ...subnet, name: "empty", using: "0,0", available: "253,253" },
      { ...subnet, name: "v6-full", using: "10,253", available: "243,0" },
      { ...subnet, name: "nearly", using: "240", available: "13" },
      { ...subnet, name: "unsaid", using: "", available: "", ready: "unknown" },
    ],
  });
  t.same(
    found.map(({ object, severity, problem }) => [object, severity, problem]),
    [
      ["Subnet unsaid", "error", "is not ready"],
      ["Vpc v", "error", "is not ready"],
      ["Subnet v6-full", "error", "has no free address"],
      ["Subnet nearly", "warning", "is nearly full"],
    ],
  );
  t.match(found[2]?.evidence, /253 of 253 addresses of fd00::\/120/);
});

t.test("Events of Weft of the last hour are told, the last of each object and reason", async (t) => {
  const cluster = await SampleCluster.make();
  const event = (name: string, component: string, minute: number, message: string) =>
    cluster.add(EVENTS, {
      ...{ metadata: { namespace: "default", name }, type: "Warning", reason: "AcquireAddressFailed", message },
      ...{ source: { component }, lastTimestamp: new Date(NOW - minute * 60_000).toISOString() },
      involvedObject: { kind: "Pod", namespace: "default", name: "a" },
    });
  await event("one", "kube-ovn-controller", 30, "NoAvailableAddress: first");
  await event("two", "kube-ovn-controller", 10, "NoAvailableAddress: last");
  await event("three", "kubelet", 10, "another's");
  await event("four", "kube-ovn-controller", 90, "old");
  t.match(
    (await findings(cluster.kube, "pod")).filter(({ object }) => object === "Pod default/a"),
    [{ problem: "AcquireAddressFailed", remedy: "NoAvailableAddress: last" }],
  );
});

t.test("what an account may not read is said, and the rest is looked at", async (t) => {
  const cluster = await SampleCluster.make();
  const kube: Kube = Object.create(cluster.kube, {
    list: {
      value: (type: typeof EVENTS, ...rest: readonly unknown[]) => {
        if (type === EVENTS) throw new KubeError("forbidden", "list events: forbidden");
        return Reflect.apply(cluster.kube.list, cluster.kube, [type, ...rest]);
      },
    },
  }) as Kube;
  const found = await findings(kube, "node");
  t.match(
    found.filter(({ severity }) => severity === "unchecked"),
    [{ object: "Events", evidence: "list events: forbidden" }],
  );
  t.ok(found.length > 1);
});
